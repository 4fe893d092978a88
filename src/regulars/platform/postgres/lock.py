"""One holder per folder: a lock file that the kernel releases when its holder dies, however it dies.

Decides who may start something in a folder. Does not decide what happens to what a dead holder left running.
"""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from regulars.platform.postgres.errors import FolderInUse, PlaceRefused


def take_lock(file: Path, *, of: str) -> BinaryIO:
    """Hold ``file`` until the returned object is closed or this process ends; ``of`` says in words what it guards.

    Locks: flock, exclusive, without waiting. The file stays for ever: removing it would let two holders lock two
    files of one name.
    Raises: FolderInUse naming the holder's pid; PlaceRefused when the file is not ours to write.
    """
    try:
        handle = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", buffering=0)
    except PermissionError as error:
        raise PlaceRefused(
            f"{file} belongs to another user: run as the user who began {of}.", path=str(file)
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = read_holder(handle)
        handle.close()
        who = f"process {pid}" if pid else "another process"
        raise FolderInUse(
            f"{who} already runs {of}: stop it first, or use another --home.", path=str(file), pid=pid
        ) from error
    handle.truncate(0)
    handle.write(b"%d\n" % os.getpid())
    return handle


def is_free(file: Path) -> bool:
    """Whether nobody holds ``file`` now; true of a file that is missing."""
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def read_holder(handle: BinaryIO) -> int | None:
    """The pid that the holder wrote, or None in the instant before it wrote one."""
    handle.seek(0)
    text = handle.read(32).strip()
    return int(text) if text.isdigit() else None

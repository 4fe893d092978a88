"""Where things lie: cluster, copied binaries, password, log and socket, and who may open them.

    HOME/postgres/            ours; holds everything while the server's account can reach it
        place                 only when it cannot: names the folder below /var/lib/regulars that holds the rest
        password              0600, ours
        lock                  who runs this HOME's server
        users                 who uses it
        data/                 the cluster, owned by the server's account
        binaries-…/           a copy, where the installed ones are closed to that account
    HOME/log/postgres.log
    /tmp/regulars-…/          the socket: a path of at most 107 bytes must hold it

Decides places and permissions. As root only HOME itself and what lies in it is changed, never a folder above. Starts
nothing.
"""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from regulars.platform.postgres.account import Account, choose_account, find_owner, may_enter
from regulars.platform.postgres.errors import PlaceRefused

SHARED_FOLDER = Path("/var/lib/regulars")
SOCKET_PARENT = Path("/tmp")
SOCKET_PATH_BYTES_MAX = 107
LOG_BYTES_MAX = 10_000_000
LOG_COUNT_MAX = 3


@dataclass(frozen=True)
class Place:
    """The folders of one HOME; ``base`` is HOME/postgres unless that is closed to the server's account."""

    home: Path
    base: Path
    account: Account

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.base / "data"

    @property
    def password(self) -> Path:
        """Readable by us alone."""
        return self.home / "postgres" / "password"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.home / "log" / "postgres.log"


def ensure_home(home: Path) -> Path:
    """Make the folders of HOME that are missing; HOME without symbolic links.

    Raises: PlaceRefused when HOME cannot be made or is not ours to write.
    """
    home = home.resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
        for folder in (home / "postgres", home / "log"):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PlaceRefused(f"{home} cannot hold our data: {error.strerror}.", path=str(home)) from error
    return home


def ensure_place(home: Path) -> Place:
    """Where the cluster of HOME is or is to be, with a way for the server's account to come there.

    Locks: the caller holds HOME's, or two first starts could choose two places.
    Raises: PlaceRefused when a folder is not ours, closed, or gone.
    """
    base = find_base(home) or choose_base(home)
    account = choose_account(base / "data")
    if not open_way(account, home, base):
        raise PlaceRefused(
            f"The cluster in {base} is closed to user {account.name}, as whom PostgreSQL runs: "
            f"let it pass through the folders above (chmod o+x), or start as the user who owns {home}.",
            path=str(base),
        )
    return Place(home, base, account)


def find_place(home: Path) -> Place | None:
    """Where the cluster of HOME is; None when there is none. Changes nothing."""
    home = home.resolve()
    base = find_base(home)
    if base is None or find_owner(base / "data") is None:
        return None
    return Place(home, base, choose_account(base / "data"))


def find_base(home: Path) -> Path | None:
    """The folder that HOME decided on earlier."""
    try:
        base = Path((home / "postgres" / "place").read_text("utf-8").strip())
    except (FileNotFoundError, NotADirectoryError):
        return home / "postgres" if find_owner(home / "postgres" / "data") is not None else None
    except PermissionError as error:
        raise PlaceRefused(f"{home} is closed to us: run as the user who made it.", path=str(home)) from error
    if not base.is_dir():
        raise PlaceRefused(
            f"{home}/postgres/place names {base}, which is gone: bring it back, "
            "or remove that file to begin with an empty database.",
            path=str(base),
        )
    return base


def choose_base(home: Path) -> Path:
    """HOME/postgres where the server's account can come to it; else a folder of its own elsewhere."""
    inside = home / "postgres"
    return inside if open_way(choose_account(inside / "data"), home, inside) else make_base_elsewhere(home)


def open_way(account: Account, home: Path, base: Path) -> bool:
    """Whether the account can come to ``base``, after letting it pass through HOME if that is all that is missing."""
    if not account.switched:
        return True
    if base.is_relative_to(home):
        if not may_enter(account, home.parent):
            return False
        for folder in (home, base):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o001)
    return may_enter(account, base)


def make_base_elsewhere(home: Path) -> Path:
    """A fresh folder below /var/lib/regulars, named in HOME before anything is put into it.

    A folder of that name may be left of a HOME that was removed: its data is not ours to delete or to show, so the
    next free name is taken.
    """
    if not SHARED_FOLDER.is_dir():
        SHARED_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        SHARED_FOLDER.chmod(0o755)
    check_private(SHARED_FOLDER, os.geteuid(), writable_by_others=False)
    number = 1
    while True:
        base = SHARED_FOLDER / (hash_path(home) + (f"-{number}" if number > 1 else ""))
        try:
            base.mkdir(mode=0o711)
            break
        except FileExistsError:
            number += 1
    base.chmod(0o711)
    write_private(home / "postgres" / "place", f"{base}\n")
    return base


def ensure_socket_folder(place: Place) -> Path:
    """A short folder that only the server's account can write, though anybody may make names beside it.

    Locks: none; the name comes from the cluster's path, and a foreign folder of that name is left alone for another.
    """
    folder = SOCKET_PARENT / f"regulars-{hash_path(place.base)}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if find_owner_unfollowed(folder) not in (os.geteuid(), place.account.uid):
            folder = Path(tempfile.mkdtemp(prefix="regulars-", dir=SOCKET_PARENT))
    # Ours or root's already, in a sticky folder: nobody else could have put it there or can swap it now.
    os.chown(folder, place.account.uid, place.account.gid, follow_symlinks=False)
    check_private(folder, place.account.uid)
    return folder


def find_owner_unfollowed(folder: Path) -> int | None:
    """The owner of a real folder; None for anything else, a symbolic link above all."""
    status = folder.lstat()
    return status.st_uid if stat.S_ISDIR(status.st_mode) else None


def check_private(folder: Path, uid: int, *, writable_by_others: bool | None = None) -> None:
    """Refuse a folder that somebody else owns, can write, or (unless only writing matters) can enter."""
    status = folder.lstat()
    closed = 0o077 if writable_by_others is None else 0o022
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & closed:
        raise PlaceRefused(
            f"{folder} must be a folder of user {uid} that others cannot change: remove it or mend its owner and mode.",
            path=str(folder),
        )


def find_password(place: Place) -> str | None:
    """The password of role ``regulars``.

    Raises: PlaceRefused when it belongs to another user.
    """
    try:
        return place.password.read_text("ascii").strip() or None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise PlaceRefused(
            f"{place.password} is closed to us: run as the user who runs the server.", path=str(place.password)
        ) from error


def write_private(file: Path, text: str) -> None:
    """Write whole or not at all, readable by us alone."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    partial.rename(file)


def open_log(log: Path) -> int:
    """A descriptor that appends to the log, after moving a long one to ``.1`` … ``.3``; the oldest is dropped."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        for number in range(LOG_COUNT_MAX - 1, 0, -1):
            older = log.with_name(f"{log.name}.{number}")
            if older.exists():
                older.rename(log.with_name(f"{log.name}.{number + 1}"))
        log.rename(log.with_name(f"{log.name}.1"))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def hash_path(path: Path) -> str:
    """16 hexadecimal digits that stand for a path of any length and script."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]

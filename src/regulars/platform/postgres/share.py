"""One server for several commands: the first runs it, the others use it, and it stays until the last has ended.

Decides when a command's own server may stop. ``regulars serve`` does not ask: it stops when it is told to.
"""

import contextlib
import fcntl
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import BinaryIO

from regulars.platform.postgres.errors import FolderInUse
from regulars.platform.postgres.server import EmbeddedPostgres, PostgresAddress, find_running

SHARE_SECONDS_MAX = 60.0
RETRY_SECONDS = 0.1


@contextlib.contextmanager
def open_postgres(home: Path, *, settings: Mapping[str, str] | None = None) -> Generator[PostgresAddress]:
    """The server of HOME for one command: shared while somebody runs it, else started and stopped at the end.

    Locks: ``HOME/postgres/users``, shared by all who use the server; a command that owns it waits at its end until
    nobody else does.
    Raises: as ``EmbeddedPostgres.start``; FolderInUse when its holder does not become ready in time.
    """
    server = EmbeddedPostgres(home, settings=settings)
    deadline = time.monotonic() + SHARE_SECONDS_MAX
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        while True:
            try:
                address = server.start()
                break
            except FolderInUse:
                shared = find_shared(home, stack)
                if shared is not None:
                    yield shared
                    return
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_SECONDS)
        stack.callback(wait_until_unused, home)
        yield address


def find_shared(home: Path, stack: contextlib.ExitStack) -> PostgresAddress | None:
    """Somebody else's server, kept from stopping until the stack unwinds; None while it comes or goes."""
    if find_running(home) is None:
        return None
    users = open_users(home)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # Asked again: it may have stopped before we held it.
        address = find_running(home)
        if address is not None:
            stack.enter_context(users)
            return address
    users.close()
    return None


def wait_until_unused(home: Path) -> None:
    """Return when no other command uses the server; a new one that comes then starts its own."""
    with open_users(home) as users:
        fcntl.flock(users, fcntl.LOCK_EX)


def open_users(home: Path) -> BinaryIO:
    """The file whose lock the users share."""
    return (home / "postgres" / "users").open("ab")

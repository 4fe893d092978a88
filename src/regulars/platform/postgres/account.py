"""As whom the server runs: PostgreSQL refuses root, so root's server runs as an unprivileged account.

Decides the account and asks the kernel what that account may do. Changes no permission.
"""

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from regulars.platform.postgres.death_signal import choose_death_signal
from regulars.platform.postgres.errors import PlaceRefused, StartFailed

PROBE_SECONDS_MAX = 30


@dataclass(frozen=True)
class Account:
    """A user of this machine; ``switched`` when it is another than the one we are."""

    uid: int
    gid: int
    switched: bool

    @property
    def name(self) -> str:
        """For messages: the login name, or the number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def choose_account(data: Path) -> Account:
    """The owner of an existing cluster, else ourselves, else (as root) ``nobody``.

    Raises: PlaceRefused when the cluster belongs to somebody we cannot become.
    """
    owner = find_owner(data)
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise PlaceRefused(f"{data} belongs to user {owner}: run as that user or as root.", path=str(data))
        return Account(os.geteuid(), os.getegid(), switched=False)
    if owner == 0:
        raise PlaceRefused(
            f"{data} belongs to root, as which PostgreSQL does not run: chown -R nobody {data}", path=str(data)
        )
    if owner is not None:
        return Account(owner, data.stat().st_gid, switched=True)
    return get_unprivileged_account()


def get_unprivileged_account() -> Account:
    """``nobody``, who owns nothing and is everywhere; 65534 where even that name is missing."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(65534, 65534, switched=True)
    return Account(entry.pw_uid, entry.pw_gid, switched=True)


def find_owner(path: Path) -> int | None:
    """The uid that owns ``path``, None when nothing is there."""
    try:
        return path.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise PlaceRefused(f"{path} is closed to us: run as the user who made it.", path=str(path)) from error


def run_as(
    account: Account,
    argv: Sequence[str | Path],
    env: Mapping[str, str],
    *,
    told: str = "",
    seconds_max: float = PROBE_SECONDS_MAX,
    keeps: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a short command as the account, from ``/``, since our own working folder may be closed to it.

    It is killed when we are, and inherits the descriptors that it ``keeps``.
    Raises: PlaceRefused when we may not become that account; StartFailed when the command does not end in time.
    """
    words = [str(word) for word in argv]
    try:
        return subprocess.run(
            words,
            cwd="/",
            env=dict(env),
            input=told,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds_max,
            check=False,
            umask=0o077,
            pass_fds=keeps,
            preexec_fn=choose_death_signal(signal.SIGKILL),
            **switch_to(account),
        )
    except PermissionError as error:
        raise PlaceRefused(
            f"{words[0]} cannot be run as user {account.name} ({error.strerror}): start as an ordinary user instead."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StartFailed(f"{words[0]} did not end within {seconds_max:.0f} s.") from error


class Switch(TypedDict, total=False):
    """The arguments of subprocess that change who the child is."""

    user: int
    group: int
    extra_groups: list[int]


def switch_to(account: Account) -> Switch:
    """Become the account, with none of our groups; nothing when it is ourselves."""
    return Switch(user=account.uid, group=account.gid, extra_groups=[]) if account.switched else Switch()


def may_enter(account: Account, folder: Path) -> bool:
    """Whether the account can reach things below ``folder``; asked of the kernel, which also knows ACLs."""
    return run_as(account, ["/bin/sh", "-c", 'test -x "$1/."', "sh", folder], {}).returncode == 0

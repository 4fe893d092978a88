"""./regulars for real, in a fresh clone: as root and as somebody else, twice, two at once, and killed half way.

Each installs from the package index or pip's cache. The clone is of the last commit, with today's set-up files over it.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.requirements import absent, require, require_root

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
SETUP_FILES = ("regulars", "pyproject.toml", "constraints.txt", "tools/install.py")
INSTALL_SECONDS_MAX = 900


@dataclass(frozen=True)
class Clone:
    """A clone and whoever uses it."""

    root: Path
    home: Path
    user: str | None

    def start(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start ./regulars in a process group of its own."""
        command = [*before, str(self.root / "regulars"), *words]
        return subprocess.Popen(
            command,
            cwd="/",
            env={**clean_environment(), **({"HOME": str(self.home)} if self.user else {})},
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, before: tuple[str, ...] = ()) -> "Ended":
        """Run ./regulars to its end."""
        start = time.monotonic()
        return finish(self.start(*words, before=before), start)

    @property
    def state(self) -> Path:
        return self.root / ".venv" / ".regulars"

    def pip_calls(self) -> list[str]:
        """The installations that were begun since the environment was made."""
        return [line for line in (self.state / "pip.log").read_text().splitlines() if line.startswith("$ ")]

    def own_sources_run(self) -> bool:
        """Whether the environment imports this clone's sources and no other's."""
        ask = "import regulars; print(regulars.__file__)"
        told = subprocess.run(
            [self.root / ".venv/bin/python", "-P", "-X", "utf8", "-c", ask],
            cwd="/",
            capture_output=True,
            text=True,
            env=clean_environment(),
            check=False,
        )
        return told.stdout.strip() == str(self.root / "src/regulars/__init__.py")


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.code} after {self.seconds:.1f} s\n{self.out}\n{self.err}"


def finish(process: subprocess.Popen[str], start: float) -> Ended:
    """Wait for a call."""
    out, err = process.communicate(timeout=INSTALL_SECONDS_MAX)
    return Ended(process.returncode, out, err, time.monotonic() - start)


def clean_environment() -> dict[str, str]:
    """Ours without what belongs to the environment these tests run in."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "VIRTUAL_ENV", "REGULARS"))
    }


@pytest.fixture
def clone() -> Iterator[Callable[[str | None], Clone]]:
    """Makes a clone in a folder with blanks and 中文 in its path, owned by the user who will call it."""
    base = Path(tempfile.mkdtemp(prefix="regulars-setup-"))
    base.chmod(0o755)

    def make(user: str | None) -> Clone:
        home, root = base / "home", base / "a clone 中文" / "regulars"
        home.mkdir()
        root.parent.mkdir()
        copy_sources(root)
        if user:
            account = pwd.getpwnam(user)
            for path in (base, *base.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        return Clone(root, home, user)

    yield make
    shutil.rmtree(base, ignore_errors=True)


def copy_sources(root: Path) -> None:
    """Clone, then lay today's set-up files over it: they are what is tried here."""
    git = [require("git"), "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", ROOT, root]
    subprocess.run(git, check=True)
    for name in SETUP_FILES:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)


def expect_working(call: Ended, clone: Clone) -> None:
    """The command ran, from this clone's sources."""
    if (clone.root / "src/regulars/__main__.py").exists():
        assert call.code == 0, call
    else:
        assert "No module named regulars.__main__" in call.err, call
    assert clone.own_sources_run()


@pytest.mark.alone
def test_two_first_starts_at_once_install_once_and_the_next_call_is_quick(clone: Callable[..., Clone]) -> None:
    fresh = clone(None)
    start = time.monotonic()
    both = [fresh.start("--help"), fresh.start("--help")]
    ended = [finish(process, start) for process in both]
    for call in ended:
        expect_working(call, fresh)
        assert call.out.startswith(ended[0].out[:20])
        assert "regulars: " not in call.out, "stdout belongs to the command"
    assert sum("waiting for another start" in call.err for call in ended) == 1
    assert sum("install" in call for call in fresh.pip_calls()) == 2, fresh.pip_calls()

    again = fresh.run("--help")
    print(f"\nfirst start {max(call.seconds for call in ended):.1f} s, next call {again.seconds:.2f} s")
    expect_working(again, fresh)
    assert "regulars: " not in again.err, "nothing is installed twice"
    assert again.seconds < 3, again


def test_an_ordinary_user_whose_installation_was_killed_begins_again(clone: Callable[..., Clone]) -> None:
    require_root()
    fresh = clone("nobody")
    killed = fresh.start("--help")
    wait_until(lambda: len(list(fresh.root.glob(".venv/lib/python*/site-packages/*.dist-info"))) > 5)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert (fresh.state / "installing").exists()

    mended = fresh.run("--help")
    expect_working(mended, fresh)
    assert "did not finish: beginning again" in mended.err
    assert not (fresh.state / "installing").exists()

    again = fresh.run("--help")
    print(f"\nas nobody: mended in {mended.seconds:.1f} s, next call {again.seconds:.2f} s")
    expect_working(again, fresh)
    assert "regulars: " not in again.err, "nothing is installed twice"


def test_a_python_without_ensurepip_and_pip_fetches_the_pinned_wheel(clone: Callable[..., Clone]) -> None:
    require_root()
    fresh = clone(None)
    call = fresh.run("--help", before=hide_pip(fresh))
    expect_working(call, fresh)
    assert any("pip-" in line and ".whl" in line for line in fresh.pip_calls()), fresh.pip_calls()


def hide_pip(fresh: Clone) -> tuple[str, ...]:
    """A command in front of another that takes ensurepip and pip away from the machine's Python, for it alone."""
    unshare = require("unshare", "it hides a folder from one process")
    python = "/usr/bin/python3"
    ask = "import sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([python, "-c", ask], check=False).returncode:
        absent("the machine's own python3 is older than 3.11")
    where = (
        "import importlib.util as u; print(*[s.origin for s in map(u.find_spec, ('ensurepip', 'pip')) if s], sep='\\n')"
    )
    found = subprocess.run([python, "-I", "-c", where], capture_output=True, text=True, check=True).stdout.splitlines()
    empty = fresh.home / "empty"
    empty.mkdir()
    hidden = " && ".join(f"mount --bind '{empty}' '{Path(origin).parent}'" for origin in found) or "true"
    # /usr/bin first: another Python in PATH would have its own ensurepip.
    return (str(unshare), "-m", "sh", "-c", f'{hidden} && PATH=/usr/bin:/bin exec "$@"', "sh")


def test_an_installation_that_fails_says_why_and_leaves_nothing_half_done(clone: Callable[..., Clone]) -> None:
    fresh = clone(None)
    constraints = fresh.root / "constraints.txt"
    constraints.write_text(constraints.read_text().replace("setuptools==", "setuptools==999."))
    failed = fresh.run("--help")
    assert (failed.code, failed.out) == (1, "")
    assert "pip failed" in failed.err
    assert "999." in failed.err
    assert str(fresh.state / "pip.log") in failed.err
    assert not (fresh.state / "installing").exists(), "pip ended by itself: the environment need not be made again"
    assert not (fresh.state / "base").exists(), "the next call must try again"


def wait_until(true: Callable[[], bool]) -> None:
    """Poll until something holds."""
    end = time.monotonic() + INSTALL_SECONDS_MAX
    while not true():
        assert time.monotonic() < end, "it never happened"
        with contextlib.suppress(InterruptedError):
            time.sleep(0.02)

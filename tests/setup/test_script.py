"""The shell part of ./regulars, with stand-ins for the environment and the installer: quick, and in several shells."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.requirements import require

ROOT = Path(__file__).resolve().parents[2]
# Says which module it was asked for and with what; its pid shows that nobody stands between.
STAND_IN = (
    '#!/bin/sh\necho "pid $$"; for word; do echo "[$word]"; done; pwd; echo "utf8 $PYTHONUTF8 ${PYTHONPATH-none}"\n'
)
INSTALLER = """
import sys
from pathlib import Path
root, venv, key, *parts = sys.argv[1:]
print("installing", *parts, file=sys.stderr)
for part in parts:
    Path(venv, ".regulars", part).write_text(key + "\\n")
"""


@pytest.fixture(params=["sh", "dash", "bash", "busybox"])
def shell(request: pytest.FixtureRequest) -> list[str]:
    name: str = request.param
    return [str(require(name)), *(["sh"] if name == "busybox" else [])]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone, with blanks and 中文 in its path."""
    root = tmp_path / "a  clone 中文 [x]"
    (root / "tools").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / ".regulars").mkdir()
    for name in ("regulars", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    (root / "tools" / "install.py").write_text(INSTALLER)
    python = root / ".venv" / "bin" / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    return root


def call(
    command: list[str], cwd: Path = Path("/"), env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # The Python of these tests comes first: elsewhere python3 may be a script that looks for one, slowly.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **(env or {})}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_first_call_installs_and_the_second_does_not(clone: Path, shell: list[str]) -> None:
    first = call([*shell, str(clone / "regulars"), "serve"])
    assert (first.returncode, first.stderr) == (0, "installing base\n")
    second = call([*shell, str(clone / "regulars"), "serve"])
    assert (second.returncode, second.stderr) == (0, "")


def test_words_reach_the_command_as_they_were(clone: Path, shell: list[str]) -> None:
    words = ["import", "two  words", "*", "", "中文", "-c", "$HOME"]
    said = call([*shell, str(clone / "regulars"), *words]).stdout.splitlines()
    assert said[1:11] == ["[-P]", "[-m]", "[regulars]", *(f"[{word}]" for word in words)]


def test_stdout_belongs_to_the_command(clone: Path, shell: list[str]) -> None:
    assert call([*shell, str(clone / "regulars"), "serve"]).stdout.startswith("pid ")


def test_the_command_takes_the_scripts_place(clone: Path) -> None:
    with subprocess.Popen(
        [clone / "regulars", "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        said, _ = process.communicate(timeout=60)
    assert said.splitlines()[0] == f"pid {process.pid}"


def test_only_a_command_that_needs_more_installs_more(clone: Path) -> None:
    calls = {name: call([str(clone / "regulars"), name]).stderr for name in ("serve", "demo", "bench", "test", "demo")}
    assert calls == {
        "serve": "installing base\n",
        "demo": "",
        "bench": "installing base bench\n",
        "test": "installing base demo bench test\n",
    }


def test_what_speaks_to_a_cluster_comes_where_one_is_used(clone: Path) -> None:
    script = str(clone / "regulars")
    assert call([script, "serve"], env={"REGULARS_ENGINE": "sc://localhost"}).stderr == "installing base spark\n"
    assert call([script, "test", "--long"]).stderr == "installing base demo bench test spark\n"
    assert call([script, "serve", "--long"], env={"REGULARS_ENGINE": ""}).stderr == ""


def test_changed_pins_install_again(clone: Path) -> None:
    call([str(clone / "regulars"), "serve"])
    with (clone / "constraints.txt").open("a") as constraints:
        constraints.write("another==1.0\n")
    assert call([str(clone / "regulars"), "serve"]).stderr == "installing base\n"


def test_a_clone_that_moved_installs_again(clone: Path) -> None:
    call([str(clone / "regulars"), "serve"])
    moved = clone.rename(clone.with_name("elsewhere"))
    assert call([str(moved / "regulars"), "serve"]).stderr == "installing base\n"


def test_the_callers_folder_stays_and_foreign_modules_do_not_come_in(clone: Path, tmp_path: Path) -> None:
    said = call([str(clone / "regulars"), "serve"], cwd=tmp_path, env={"PYTHONPATH": "elsewhere"}).stdout.splitlines()
    assert said[-2:] == [str(tmp_path), "utf8 1 none"]


def test_it_can_be_called_through_links_and_by_a_relative_path(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(clone / "regulars")
    assert "[serve]" in call(["./one", "serve"], cwd=tmp_path).stdout
    assert "[serve]" in call(["./regulars", "serve"], cwd=clone, env={"CDPATH": "/"}).stdout


def test_the_environment_may_live_elsewhere(clone: Path, tmp_path: Path) -> None:
    (clone / ".venv").rename(tmp_path / "my venv")
    said = call([str(clone / "regulars"), "serve"], cwd=tmp_path, env={"REGULARS_VENV": "my venv"})
    assert (said.returncode, said.stderr) == (0, "installing base\n")
    assert not (clone / ".venv").exists()


def test_a_failed_installation_ends_the_call(clone: Path) -> None:
    (clone / "tools" / "install.py").write_text("raise SystemExit(1)")
    said = call([str(clone / "regulars"), "serve"])
    assert (said.returncode, said.stdout) == (1, "")


def test_no_python_is_told_with_what_to_install(clone: Path, tmp_path: Path, shell: list[str]) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cksum", "readlink"):
        (programs / name).symlink_to(require(name))
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)
    said = call([*shell, str(clone / "regulars"), "serve"], env={"PATH": str(programs)})
    assert said.returncode == 1
    assert "needs Python 3.11 or newer and found none" in said.stderr


def test_the_script_itself_costs_little(clone: Path) -> None:
    call([str(clone / "regulars"), "serve"])
    start = time.perf_counter()
    for _ in range(20):
        call([str(clone / "regulars"), "serve"])
    milliseconds = (time.perf_counter() - start) / 20 * 1000
    print(f"\n./regulars without Python: {milliseconds:.1f} ms a call")
    assert milliseconds < 500, "the machine is slow, or the script forks too much"

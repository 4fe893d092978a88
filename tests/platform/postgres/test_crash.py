"""kill -9 of anything, and two who want the same folder."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from regulars.platform.postgres import EmbeddedPostgres, FolderInUse, cluster, find_running, open_postgres
from regulars.platform.postgres.account import choose_account, switch_to
from regulars.platform.postgres.lock import take_lock
from regulars.platform.postgres.process import belongs_to, list_remains
from tests.platform.postgres.helpers import Holder, get_pid, read_kept, wait_until

Serve = Callable[[Path], EmbeddedPostgres]
Hold = Callable[..., Holder]


def test_kill_9_of_postgresql_loses_nothing_and_keeps_the_address(made: Path, serve: Serve) -> None:
    server = serve(made)
    address = server.start()
    with psycopg.connect(address.dsn, autocommit=True) as busy:
        busy.execute("INSERT INTO kept VALUES ('late')")
        # Its computation looks at no signal of the postmaster's end: it holds the shared memory.
        endless = threading.Thread(target=ignore_loss, args=(busy, "SELECT count(*) FROM generate_series(1, 1e9)"))
        endless.start()
        wait_until(lambda: is_computing(address.dsn), "the backend computes")
        os.kill(get_pid(made), signal.SIGKILL)
        wait_until(lambda: not server.is_alive(), "the death is seen")
        assert server.start() == address
        endless.join()
    assert read_kept(address) == ["here", "late"]


def ignore_loss(connection: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute(statement.encode())


def is_computing(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%1e9%' AND pid <> pg_backend_pid()"
        )
        return found.fetchone() is not None


def test_kill_9_of_the_parent_ends_the_server_too(made: Path, hold: Hold) -> None:
    holder = hold(made)
    holder.read()
    data = made / "postgres" / "data"
    pid = get_pid(made)
    holder.kill()
    wait_until(lambda: not belongs_to(pid, data) and not list_remains(data), "the server ends by itself")
    assert find_running(made) is None


def test_a_start_right_after_kill_9_of_the_parent_works(made: Path, hold: Hold, serve: Serve) -> None:
    holder = hold(made)
    reply = holder.read()
    holder.kill()
    address = serve(made).start()
    assert address.dsn == reply["dsn"]
    assert read_kept(address) == ["here"]


def test_a_server_whose_parent_was_killed_is_replaced(made: Path, hold: Hold, serve: Serve) -> None:
    holder = hold(made, "thread")  # no death signal there: it runs on
    holder.read()
    orphan = get_pid(made)
    holder.kill()
    time.sleep(0.3)
    assert belongs_to(orphan, made / "postgres" / "data")
    address = serve(made).start()
    assert get_pid(made) != orphan
    assert not belongs_to(orphan, made / "postgres" / "data")
    assert read_kept(address) == ["here"]


@pytest.mark.long
def test_kill_9_of_parent_and_postgresql_at_once_is_mended(made: Path, hold: Hold, serve: Serve) -> None:
    holder = hold(made)
    reply = holder.read()
    with psycopg.connect(reply["dsn"]):
        os.kill(get_pid(made), signal.SIGKILL)
        holder.kill()
        assert read_kept(serve(made).start()) == ["here"]


@pytest.mark.long
def test_kill_9_while_the_cluster_is_made_leaves_no_half_of_it(home: Path, hold: Hold, serve: Serve) -> None:
    holder = hold(home)
    wait_until(lambda: any(home.glob("postgres/making-*/data/PG_VERSION")), "initdb is at work")
    holder.kill()
    assert not (home / "postgres" / "data").exists()
    psycopg.connect(serve(home).start().dsn).close()
    assert not any(home.glob("postgres/making-*"))


@pytest.mark.long
def test_an_initdb_that_outlives_its_parent_is_awaited(home: Path, hold: Hold, serve: Serve) -> None:
    holder = hold(home, "thread")  # no death signal there: it runs on
    wait_until(lambda: any(home.glob("postgres/making-*/data/PG_VERSION")), "initdb is at work")
    holder.kill()
    psycopg.connect(serve(home).start().dsn).close()
    assert not any(home.glob("postgres/making-*"))


def test_what_was_half_made_beside_a_cluster_is_removed_when_its_last_process_ends(made: Path, serve: Serve) -> None:
    left = {name: made / "postgres" / f"making-{name}" for name in ("early", "held", "free")}
    for folder in left.values():
        folder.mkdir()
    (left["free"] / "lock").touch()
    server = serve(made)
    with take_lock(left["held"] / "lock", of="the test"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "HALF_MADE_SECONDS_MAX", 0.1)
        server.start()
        assert [name for name, folder in left.items() if folder.exists()] == ["held"]
    server.stop()
    server.start()
    assert not left["held"].exists()


def test_a_stale_pid_of_no_process_is_ignored(made: Path, serve: Serve) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    write_pid_file(made, gone.pid)
    assert find_running(made) is None
    assert read_kept(serve(made).start()) == ["here"]


def test_a_stale_pid_of_a_foreign_process_is_ignored_and_that_lives_on(made: Path, serve: Serve) -> None:
    # Of the server's own account: PostgreSQL itself would believe that it is a server.
    account = choose_account(made / "postgres" / "data")
    foreign = subprocess.Popen(["sleep", "60"], cwd="/", **switch_to(account))
    try:
        write_pid_file(made, foreign.pid)
        assert find_running(made) is None
        assert read_kept(serve(made).start()) == ["here"]
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def write_pid_file(home: Path, pid: int) -> None:
    """What a server leaves that died with the machine; the pid was given to somebody else since."""
    data = home / "postgres" / "data"
    lines = [pid, data, int(time.time()) - 1000, 25432, "/tmp", "127.0.0.1", "12345 1", "ready   "]
    (data / "postmaster.pid").write_text("".join(f"{line}\n" for line in lines))


def test_a_second_start_in_one_folder_is_refused(made: Path, hold: Hold, serve: Serve) -> None:
    holder = hold(made)
    reply = holder.read()
    with pytest.raises(FolderInUse, match=f"process {holder.pid} already runs PostgreSQL in") as caught:
        serve(made).start()
    assert caught.value.fields["pid"] == holder.pid
    assert caught.value.code == "postgres.folder_in_use"
    assert read_kept(reply) == ["here"]


@pytest.mark.long
def test_of_two_first_starts_one_wins(home: Path, hold: Hold) -> None:
    first, second = hold(home), hold(home)
    replies = [first.read(), second.read()]
    assert sorted("dsn" if "dsn" in reply else reply["code"] for reply in replies) == ["dsn", "postgres.folder_in_use"]


def test_a_command_shares_a_running_server_and_leaves_it_running(made: Path, hold: Hold) -> None:
    holder = hold(made)
    reply = holder.read()
    with open_postgres(made) as address:
        assert address.dsn == reply["dsn"]
        assert find_running(made) == address
    assert read_kept(reply) == ["here"]


def test_a_command_ends_its_server_after_those_who_share_it(made: Path, hold: Hold) -> None:
    owner, guest = hold(made, "share"), hold(made, "share")
    replies = {holder.pid: holder.read() for holder in (owner, guest)}
    if owner.pid != get_parent(get_pid(made)):
        owner, guest = guest, owner
    owner.close_input()
    with pytest.raises(subprocess.TimeoutExpired):
        owner.process.wait(0.5)
    assert read_kept(replies[guest.pid]) == ["here"]
    guest.end()
    owner.end()
    assert find_running(made) is None


def get_parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_a_command_alone_runs_its_own_server_and_stops_it(made: Path) -> None:
    with open_postgres(made) as address:
        assert read_kept(address) == ["here"]
    assert find_running(made) is None
    assert list_remains(made / "postgres" / "data") == []


@pytest.mark.long
def test_commands_begun_at_once_in_a_fresh_folder_share_one_server(home: Path, hold: Hold) -> None:
    holders = [hold(home, "share") for _ in range(3)]
    replies = [holder.read() for holder in holders]
    assert len({reply["dsn"] for reply in replies}) == 1
    psycopg.connect(replies[0]["dsn"]).close()


def test_a_taken_port_is_left_to_its_holder(made: Path, serve: Serve) -> None:
    import socket

    server = serve(made)
    before = psycopg.conninfo.conninfo_to_dict(server.start().dsn)["port"]
    os.kill(get_pid(made), signal.SIGKILL)
    wait_until(lambda: not server.is_alive(), "the death is seen")
    with socket.create_server(("127.0.0.1", int(str(before)))):
        address = server.start()
    assert psycopg.conninfo.conninfo_to_dict(address.dsn)["port"] != before
    assert read_kept(address) == ["here"]

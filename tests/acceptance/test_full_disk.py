"""«a full disk: a clear error naming what and where …, nothing lost»: real file systems, made small and filled.

What was acknowledged before is there when there is room again, and the server goes on by itself.
"""

import contextlib
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.requirements import absent, require
from tests.support.serving import Serving, make_folder, wait_until

MIB = 1024 * 1024
DISK_MIB = 400
ROOM_LEFT_BYTES = 6 * MIB
BATCHES_MAX = 400
NAME = "Before the flood"


@contextlib.contextmanager
def make_disk(mebibytes: int) -> Iterator[Path]:
    """A file system of its own, that small."""
    mount = require("mount", "a full disk is a small file system that is filled")
    with make_folder() as folder:
        disk = folder / "disk"
        disk.mkdir(mode=0o711)
        made = subprocess.run(
            [mount, "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0711", "tmpfs", disk],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            absent(
                f"a small file system cannot be mounted here ({made.stderr.strip()}): run as root with CAP_SYS_ADMIN"
            )
        try:
            yield disk
        finally:
            subprocess.run([require("umount"), disk], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    """Take all room but so much."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - leave_bytes))
    return ballast


def make_batch(user: str) -> tuple[list[str], list[dict[str, object]]]:
    ids = [str(uuid.uuid4()) for _ in range(200)]
    note = "x" * 1_000
    return ids, [
        {"type": "track", "userId": user, "event": NAME, "messageId": one, "properties": {"note": note, "id": one}}
        for one in ids
    ]


def send_until_full(serving: Serving, user: str) -> tuple[list[str], list[dict[str, object]], httpx.Response]:
    """Ids acknowledged, and the batch that was refused with its answer."""
    acknowledged: list[str] = []
    for _ in range(BATCHES_MAX):
        ids, batch = make_batch(user)
        answer = serving.send(*batch)
        if answer.status_code != 200:
            return acknowledged, batch, answer
        acknowledged += ids
    raise AssertionError(f"{BATCHES_MAX} batches fit on a full disk")


def is_taken(serving: Serving, batch: list[dict[str, object]]) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return serving.send(*batch).status_code == 200
    return False


@pytest.mark.long
def test_a_server_on_a_full_disk_refuses_and_recovers() -> None:
    with make_disk(DISK_MIB) as disk:
        serving = Serving(disk / "home").start()
        try:
            ids, batch = make_batch("flooded")
            serving.send_well(*batch)
            ballast = fill(disk, ROOM_LEFT_BYTES)
            acknowledged, refused, answer = send_until_full(serving, "flooded")
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] in {"storage.full", "database.unavailable"}
            assert "retry-after" in answer.headers
            time.sleep(3)
            again = serving.send(*refused)
            assert again.status_code in {200, 503}, again.text
            ballast.unlink()
            wait_until(lambda: is_taken(serving, refused), "the same batch is taken when there is room again")
            wait_until(serving.is_healthy, "the server is well again")
            expected = {*ids, *acknowledged, *(str(one["messageId"]) for one in refused)}
            landed = [one["message_id"] for one in serving.list_events(serving.get_member("user_id:flooded")["id"])]
            assert len(landed) == len(set(landed))
            assert set(landed) == expected
            assert serving.count_names() == {NAME: len(expected)}
        finally:
            serving.end()


@pytest.mark.long
def test_an_import_onto_a_full_disk_says_so_and_goes_on_later(tmp_path: Path) -> None:
    rows = 60_000
    path = tmp_path / "events.csv"
    with path.open("w") as file:
        file.write("user_id,name,time,note\n")
        file.writelines(f"u{at % 10},{NAME},2026-01-01,{'x' * 300} {at}\n" for at in range(rows))
    with make_disk(DISK_MIB) as disk:
        serving = Serving(disk / "home").start()
        try:
            ballast = fill(disk, ROOM_LEFT_BYTES)
            done = serving.run("import", "events", path, "--json", check=False)
            assert done.returncode == 1, done.stderr
            assert "regulars: PostgreSQL " in done.stderr
            ballast.unlink()
            wait_until(serving.is_healthy, "the server is well again")
            told = serving.import_rows("events", path)
            assert told["written"] + told["known"] == rows
            assert serving.count_names() == {NAME: rows}
        finally:
            serving.end()


def test_rejects_that_do_not_fit_are_told(serving: Serving, unique: str) -> None:
    """The good rows stay; after making room the same command writes the rejects."""
    with make_disk(1) as disk:
        path = disk / "events.csv"
        bad = "".join(f"{unique},Bad,never {'x' * 200},{at}\n" for at in range(1_200))
        path.write_text(f"user_id,name,time,at\n{unique},Good,2026-01-01,0\n{bad}")
        ballast = fill(disk, 64 * 1024)
        done = serving.run("import", "events", path, "--json", check=False)
        assert done.returncode == 1, done.stderr
        assert str(disk / "events.rejects.csv") in done.stderr and "No space left" in done.stderr
        assert sorted(file.name for file in disk.iterdir()) == ["ballast", "events.csv"]
        assert len(serving.list_events(serving.get_member(f"user_id:{unique}")["id"])) == 1
        ballast.unlink()
        told = json.loads(serving.run("import", "events", path, "--json", check=False).stdout.splitlines()[-1])
        assert (told["known"], told["rejected"]) == (1, 1_200)
        assert Path(told["rejects_file"]) == disk / "events.rejects.csv"

"""«Bad input: …: a clear error naming what and where, exit code ≠ 0 or 4xx, nothing lost.»

Over HTTP and the command line; a full disk is in test_full_disk.py.
"""

import gzip
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.support.serving import Serving

MIB = 1024 * 1024
BOMB_BYTES = 1_024 * MIB
MEMORY_BYTES_MAX = 300 * MIB
DEPTH = 100_000


def post(serving: Serving, content: bytes, path: str = "/v1/batch", **headers: str) -> httpx.Response:
    """Raw bytes under a good key."""
    return serving.http.post(
        serving.url + path, content=content, headers={"X-Write-Key": serving.ready["write_key"], **headers}
    )


def check_refused(answer: httpx.Response, code: str, *told: str) -> None:
    assert answer.status_code == 400, answer.text[:500]
    assert answer.json()["code"] == code
    for word in told:
        assert word in answer.json()["message"], answer.json()["message"]
    assert len(answer.text) < 2_000, "an error does not repeat what was sent"


def make_bomb(size: int = BOMB_BYTES, head: bytes = b"") -> bytes:
    """Gzip of a gibibyte of blanks, a thousandth of its size: one packed mebibyte, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = b" " * MIB
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(head)
    for _ in range(size // MIB):
        checksum = zlib.crc32(block, checksum)
    end = packer.flush() + struct.pack("<II", checksum, (len(head) + size) % 2**32)
    return gzip.compress(b"")[:10] + begin + packed * (size // MIB) + end


def get_memory(pid: int) -> int:
    """The most bytes a process ever held."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found) * 1024


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"batch": [', "JSON"),
        (b"", "JSON"),
        (b"batch=1", "byte 0"),
        (b'{"batch": [{"type": "track", "event": "caf\xe9"}]}', "byte 42 is not UTF-8"),
        (b'{"batch": [{"a": 1}]} trailing', "byte 23"),
        (b'{"batch": ' + b"[" * DEPTH + b"]" * DEPTH + b"}", "deep"),
        (b'{"batch": [{"n": NaN}]}', "JSON"),
    ],
    ids=["cut off", "empty", "a form", "Latin-1", "trailing", "deep", "NaN"],
)
def test_what_is_not_json_is_refused_with_its_place(serving: Serving, body: bytes, told: str) -> None:
    """«malformed JSON», «bad UTF-8»"""
    check_refused(post(serving, body), "request.unreadable", told)


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b'"text"', b'{"batch": {}}', b'{"batch": "x"}', b"{}"])
def test_json_of_another_shape_is_refused(serving: Serving, body: bytes) -> None:
    """«malformed JSON»"""
    check_refused(post(serving, body), "request.invalid")


def test_a_wrong_key_is_named_as_such(serving: Serving) -> None:
    """«wrong key»: also the right one in the wrong place, which is said"""
    for key in ("wrong", serving.ready["api_key"]):
        answer = serving.send({"type": "track", "userId": "x", "event": "x"}, writeKey=key)
        assert (answer.status_code, answer.json()["code"]) == (401, "access.key_unknown")
        assert key not in answer.text, "a key is not repeated"
    assert "write key" in answer.json()["suggestion"]
    answer = serving.call("GET", "/api/members", key=serving.ready["write_key"])
    assert answer.status_code == 401 and "API" in answer.json()["suggestion"].upper()


def test_a_string_of_ten_megabytes_is_refused(serving: Serving, unique: str) -> None:
    """«10 MB string»: as it is, compressed, and where a part of it still fits"""
    good = {"type": "track", "userId": unique, "event": "Good", "properties": {}}
    large = json.dumps({"batch": [good, good | {"properties": {"text": "x" * 10 * MIB}}]}).encode()
    check_refused(post(serving, large), "request.too_large", "8,388,608")
    check_refused(post(serving, gzip.compress(large, 1), **{"Content-Encoding": "gzip"}), "request.too_large")
    assert serving.find_member(f"user_id:{unique}") is None
    answer = serving.send(good, good | {"properties": {"text": "x" * MIB}})
    assert answer.status_code == 200
    (rejected,) = answer.json()["rejected"]
    assert (rejected["index"], rejected["code"]) == (1, "event.too_large")
    assert len(serving.list_events(serving.get_member(f"user_id:{unique}")["id"])) == 1


def test_a_zip_bomb_costs_no_memory(serving: Serving) -> None:
    """«zip bomb»: a mebibyte that would become a gibibyte"""
    before = get_memory(serving.children()["web"])
    bomb = make_bomb()
    assert len(bomb) < 2 * MIB
    check_refused(post(serving, bomb, **{"Content-Encoding": "gzip"}), "request.too_large", "decompressed")
    assert get_memory(serving.children()["web"]) - before < 100 * MIB


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(b'{"batch": []}')[:-6]], ids=["text", "cut off"])
def test_what_is_not_gzip_is_refused(serving: Serving, content: bytes) -> None:
    """«malformed …»"""
    check_refused(post(serving, content, **{"Content-Encoding": "gzip"}), "request.unreadable", "gzip")


HOSTILE: list[dict[str, Any]] = [
    {"event": "\0"},
    {"event": "x", "properties": {"a": "\0"}},
    {"event": "x", "properties": []},
    {"event": "x" * 1_000},
    {"event": 7},
    {"event": "x", "timestamp": "yesterday"},
    {"event": "x", "timestamp": 10**30},
    {"event": "x", "timestamp": "9999-12-31T23:59:59Z"},
    {"event": "x", "messageId": "x" * 1_000},
    {"event": "x", "messageId": {"a": 1}},
    {"event": "x", "userId": "x" * 10_000},
    {"event": "x", "userId": [1]},
    {"event": "x", "userId": "\0"},
    {"event": "x", "type": "drop table"},
    {"event": "x", "type": ["track"]},
]


def test_each_hostile_event_is_named_and_the_good_ones_land(serving: Serving, unique: str) -> None:
    """«hostile JSON»: every bad message is answered with its index and why; all others land"""
    good = {"type": "track", "userId": unique, "event": "Good"}
    batch: list[object] = []
    for bad in HOSTILE:
        batch += [{"type": "track", "userId": unique, **bad}, good]
    batch += [None, 3, "text", [good]]
    answer = serving.send(*batch)
    assert answer.status_code == 200, answer.text
    rejected = answer.json()["rejected"]
    assert [one["index"] for one in rejected] == [at for at, one in enumerate(batch) if one is not good]
    assert all(one["code"].startswith(("event.", "identity.")) and one["message"] for one in rejected)
    assert len(serving.list_events(serving.get_member(f"user_id:{unique}")["id"])) == len(HOSTILE)


def test_odd_but_lawful_values_are_kept_as_they_are(serving: Serving, unique: str) -> None:
    """«nothing lost»: what JSON allows comes back as it was sent"""
    odd = {
        "huge": 10**18,
        "tiny": 1e-300,
        "": "an empty name",
        "=1+1": "=cmd|' /C calc'!A0",
        "': drop table": "\u202e\ufeff👩‍👩‍👧‍👦",
        "__proto__": {"a": [[[[1]]]]},
        "deep": json.loads("[" * 50 + "]" * 50),
    }
    serving.send_well({"type": "track", "userId": unique, "event": "Odd'; --", "properties": odd})
    (event,) = serving.list_events(serving.get_member(f"user_id:{unique}")["id"])
    assert (event["name"], event["properties"]) == ("Odd'; --", odd)


def test_a_phone_in_no_country_is_reported_and_harms_nothing(serving: Serving, unique: str, tmp_path: Path) -> None:
    """«a phone in no country»: over HTTP and from a file"""
    told = {"type": "identify", "userId": unique, "traits": {"phone": "+999 123", "city": "台北"}}
    (rejected,) = serving.send(told).json()["rejected"]
    assert rejected["index"] == 0 and "phone" in rejected["message"]
    member = serving.get_member(f"user_id:{unique}")
    assert member["traits"]["city"] == "台北"
    assert [one["kind"] for one in member["identities"]] == ["user_id"]
    path = tmp_path / "members.csv"
    path.write_text(f"user_id,phone\na-{unique},+999 123\nb-{unique},+886 912 345 678\n")
    done = serving.run("import", "members", path, "--json", check=False)
    totals = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, totals["written"], totals["rejected"]) == (3, 1, 1)
    rejects = Path(totals["rejects_file"]).read_text().splitlines()
    assert rejects[1].startswith("1,phone,"), rejects
    assert serving.find_member(f"user_id:a-{unique}") is None
    assert serving.find_member(f"user_id:b-{unique}") is not None


def refuse_import(serving: Serving, kind: str, path: Path, *told: str) -> str:
    """Import a file that must be refused as a whole; what was said."""
    done = serving.run("import", kind, path, "--json", check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    said = "\n".join(line for line in done.stderr.splitlines() if line.startswith(("regulars: ", "  Try: ")))
    assert said, last
    for word in told:
        assert word in said, said
    return said


def test_a_csv_with_a_missing_column_is_refused(serving: Serving, tmp_path: Path) -> None:
    """«a CSV with a missing column»: which field, and which columns there are"""
    path = tmp_path / "events.csv"
    path.write_text("user_id,name,amount\na,b,1\n")
    refuse_import(serving, "events", path, "time", "amount")


def test_a_parquet_with_the_wrong_type_is_refused(serving: Serving, tmp_path: Path) -> None:
    """«a Parquet with the wrong type»: which column, what it is and what it should be"""
    path = tmp_path / "events.parquet"
    duckdb.sql("select 'a' as user_id, 'b' as name, true as time").write_parquet(str(path))
    refuse_import(serving, "events", path, "time", "BOOLEAN")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("cut.parquet", b"PAR1 and no more", "cut.parquet"),
        ("text.csv.gz", b"user_id,name,time\n", "text.csv.gz"),
        ("nothing.csv", b"", "nothing.csv"),
        ("twice.csv", b"user_id,name,time,name\n", "name"),
        ("unknown.xlsx", b"PK\3\4", "unknown.xlsx"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(
    serving: Serving, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    """«a clear error naming what and where, exit code ≠ 0»"""
    path = tmp_path / name
    path.write_bytes(content)
    refuse_import(serving, "events", path, told)


def test_a_database_that_is_away_is_told_in_one_sentence(tmp_path: Path) -> None:
    """«a clear error naming what and where, exit code ≠ 0»"""
    away = "postgresql://a:secret@127.0.0.1:1/b"
    nowhere = Serving(tmp_path / "home", environment={"REGULARS_DATABASE_URL": away}, forks=True)
    for command in (["brand", "list"], ["serve"]):
        done = nowhere.run(*command, check=False)
        assert done.returncode == 1
        assert "127.0.0.1" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr and "secret" not in done.stderr


def test_hostile_rows_are_rejected_one_by_one(serving: Serving, unique: str, tmp_path: Path) -> None:
    """«hostile CSV/JSON»: NUL, bad UTF-8, a 10 MB cell, an open quote, too many cells; the good rows land"""
    csv = tmp_path / "rows.csv"
    good = f"{unique},Good,2026-01-01,fine\n".encode()
    bad = [
        f"{unique},N\0UL,2026-01-01,x\n".encode(),
        f"{unique},caf".encode() + b"\xff\xfe,2026-01-01,x\n",
        f"{unique},Large,2026-01-01,".encode() + b"x" * 10 * MIB + b"\n",
        f"{unique},Wide,2026-01-01,x,y,z\n".encode(),
        f"{unique},Narrow\n".encode(),
        f"{unique},When,0000-00-00,x\n".encode(),
    ]
    csv.write_bytes(b"user_id,name,time,note\n" + b"".join(one + good for one in bad) + f'{unique},"open'.encode())
    jsonl = tmp_path / "rows.jsonl"
    row = {"user_id": unique, "name": "Good", "time": "2026-01-02"}
    lines = [json.dumps(row), "{", "[]", "null", '{"user_id": ' + "[" * 5_000, json.dumps(row | {"name": "\0"})]
    jsonl.write_text("\n".join([*lines, json.dumps(row)]) + "\n")
    done = serving.run("import", "events", csv, jsonl, "--json", check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["written"], told["rejected"]) == (len(bad) + 2, len(bad) + 1 + 5)
    assert len(serving.list_events(serving.get_member(f"user_id:{unique}")["id"])) == len(bad) + 2
    reasons = Path(told["rejects_file"]).read_bytes().split(b"\r\n")
    assert all(line.split(b",")[0].isdigit() for line in reasons[1:] if line[:1].isdigit())


WATCH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=-3, stdout=-3, stderr=-3)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process between: what a process forks off is born with the memory of the one that forks."""


@pytest.mark.long
@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.jsonl.gz"])
def test_a_packed_bomb_in_a_file_costs_no_memory(serving: Serving, unique: str, tmp_path: Path, name: str) -> None:
    """«zip bomb»: one line of a gibibyte"""
    path = tmp_path / name
    head = f"user_id,name,time\n{unique},Good,2026-01-01\n" if "csv" in name else ""
    path.write_bytes(make_bomb(BOMB_BYTES // 2, head.encode()))
    words = [*serving.command, "import", "events", str(path), "--json", "--home", str(serving.home)]
    code, kibibytes = map(int, subprocess.check_output([sys.executable, "-c", WATCH, *words], text=True).split())
    assert code in {1, 3}
    assert kibibytes * 1024 < MEMORY_BYTES_MAX

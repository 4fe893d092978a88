"""Part 1 of the plan, its paragraphs Import, Members and API, line by line."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import psycopg

from regulars.platform.postgres import find_running
from tests.support.serving import Serving

# --- Import ---------------------------------------------------------------------------------------------------------


def test_all_formats_are_imported_and_only_once(serving: Serving, unique: str, tmp_path: Path) -> None:
    """«`regulars import members|items|events FILE…` for CSV, JSONL, Parquet (compressed too)»; «resumable and
    idempotent»; contract: «Import works beside a running serve; at exit its rows are visible»"""
    folder = tmp_path / unique
    folder.mkdir()
    csv, jsonl, parquet = folder / "a.csv.gz", folder / "b.jsonl", folder / "c.parquet"
    csv.write_bytes(gzip.compress(f"user_id,name,time\n{unique},A,2026-01-01\n{unique},A,2026-01-01\n".encode()))
    jsonl.write_text(json.dumps({"user_id": unique, "name": "B", "time": "2026-01-02T03:00:00Z"}) + "\n")
    duckdb.sql(f"select '{unique}' as user_id, 'C' as name, timestamp '2026-01-03' as time").write_parquet(str(parquet))
    told = serving.import_rows("events", csv, jsonl, parquet)
    assert (told["read"], told["written"], told["known"], told["rejected"]) == (4, 4, 0, 0)
    assert serving.import_rows("events", parquet, csv, jsonl)["known"] == 4, "the same files again add nothing"
    events = serving.list_events(serving.get_member(f"user_id:{unique}")["id"])
    assert [event["name"] for event in events] == ["C", "B", "A", "A"], "equal rows of a file are different events"


def test_the_mapping_is_guessed_shown_and_overridden(serving: Serving, unique: str, tmp_path: Path) -> None:
    """«column mapping guessed, shown, overridable (`--map order_date=time`); progress with rate and time left»"""
    path = tmp_path / "orders.csv"
    path.write_text(f"customer_id,booked,event,sales_value\n{unique},2026-03-01,Bought,12.5\n")
    refused = serving.run("import", "events", path, "--json", check=False)
    assert refused.returncode != 0
    assert "time" in refused.stderr and "booked" in refused.stderr
    done = serving.run("import", "events", path, "--json", "--map", "booked=time")
    for column, field in (("customer_id", "user_id"), ("booked", "time"), ("sales_value", "revenue")):
        assert any(column in line and field in line for line in done.stderr.splitlines()), done.stderr
    assert "rows/s" in done.stderr
    (event,) = serving.list_events(serving.get_member(f"user_id:{unique}")["id"])
    assert (event["name"], event["properties"]) == ("Bought", {"revenue": 12.5})
    assert event["at"] == "2026-02-28T16:00:00Z", "a day without a zone is the brand's"


def test_a_dry_run_writes_nothing(serving: Serving, unique: str, tmp_path: Path) -> None:
    """«`--dry-run`»"""
    path = tmp_path / "members.csv"
    path.write_text(f"user_id,phone\n{unique},12\n")
    told = serving.import_rows("members", path, "--dry-run", check=False)
    assert (told["read"], told["written"], told["rejects_file"]) == (1, 0, None)
    assert serving.find_member(f"user_id:{unique}") is None
    assert [file.name for file in tmp_path.iterdir()] == ["members.csv"]


def test_rejects_are_named_mended_and_imported(serving: Serving, unique: str, tmp_path: Path) -> None:
    """«bad rows go to a rejects file with row, field, reason, the good rows land, and the mended file can be imported
    again»"""
    path = tmp_path / "events.csv"
    path.write_text(f"user_id,name,time\n{unique},Good,2026-05-01\n{unique},Bad,2026-13-45\n,Nobody,2026-05-02\n")
    done = serving.run("import", "events", path, "--json", check=False)
    assert done.returncode != 0
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["read"], told["written"], told["rejected"]) == (3, 1, 2)
    rejects = Path(told["rejects_file"])
    text = rejects.read_text()
    assert "2026-13-45" in text and "time" in text
    mended = text.replace("2026-13-45", "2026-05-03").replace(",Nobody,", f"{unique},Nobody,")
    rejects.write_text(mended)
    again = serving.import_rows("events", rejects)
    assert (again["written"], again["rejected"]) == (2, 0)
    assert serving.import_rows("events", path, check=False)["known"] == 1
    names = [event["name"] for event in serving.list_events(serving.get_member(f"user_id:{unique}")["id"])]
    assert names == ["Bad", "Nobody", "Good"]


def test_members_and_items_are_imported(serving: Serving, unique: str, tmp_path: Path) -> None:
    """«`regulars import members|items|events FILE…`»; contract: «Identities stay text (leading zeros)»"""
    members, items = tmp_path / "members.csv", tmp_path / "items.csv"
    members.write_text(f"user_id,card,city,visits\n{unique},000123{unique},台北,7\n")
    items.write_text(f"sku,title,category,price,colour\n00{unique},高跟鞋,heels,1290.50,red\n")
    assert serving.import_rows("members", members)["written"] == 1
    assert serving.import_rows("items", items)["written"] == 1
    member = serving.get_member(f"card:000123{unique}")
    assert member["traits"] == {"city": "台北", "visits": 7}
    item = serving.get(f"/api/items/00{unique}")
    assert (item["name"], item["category"], item["price"]) == ("高跟鞋", "heels", "1290.50")
    assert item["attributes"] == {"colour": "red"}


# --- Members --------------------------------------------------------------------------------------------------------


def identify(user: str | None, anonymous: str | None = None, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "anonymousId": anonymous, "traits": traits}


def track(user: str | None, anonymous: str | None, name: str) -> dict[str, Any]:
    return {"type": "track", "userId": user, "anonymousId": anonymous, "event": name}


def test_an_anonymous_visitor_becomes_known(serving: Serving, unique: str) -> None:
    """«anonymous → known»"""
    serving.send_well(track(None, f"anon-{unique}", "Looked"))
    serving.send_well(identify(unique, f"anon-{unique}", city="台南"), track(unique, None, "Bought"))
    member = serving.get_member(f"user_id:{unique}")
    assert serving.get_member(f"anonymous_id:anon-{unique}")["id"] == member["id"]
    assert {event["name"] for event in serving.list_events(member["id"])} == {"Looked", "Bought"}


def test_alias_joins_and_keeps_the_new_id_first(serving: Serving, unique: str) -> None:
    """«alias»"""
    serving.send_well(track(f"old-{unique}", None, "Then"), track(f"new-{unique}", None, "Now"))
    serving.send_well({"type": "alias", "previousId": f"old-{unique}", "userId": f"new-{unique}"})
    old, new = serving.get_member(f"user_id:old-{unique}"), serving.get_member(f"user_id:new-{unique}")
    assert old == new
    assert {event["name"] for event in serving.list_events(new["id"])} == {"Then", "Now"}


def test_a_merge_moves_nothing_and_is_undone(serving: Serving, unique: str) -> None:
    """«merge and unmerge (the origin map: a merge moves nothing)»"""
    serving.send_well(track(f"a-{unique}", None, "A"), track(f"b-{unique}", None, "B"))
    kept, merged = (serving.get_member(f"user_id:{name}-{unique}")["id"] for name in "ab")
    before = list_origins(serving, unique)
    done = serving.call("POST", "/api/members/merge", {"keep": kept, "merge": merged})
    assert done.status_code == 200, done.text
    assert {event["name"] for event in serving.list_events(kept)} == {"A", "B"}
    assert list_origins(serving, unique) == before, "events keep the origin they came with"
    undone = serving.call("POST", "/api/members/unmerge", {"merge": done.json()["merge"]})
    assert undone.status_code == 200, undone.text
    assert [event["name"] for event in serving.list_events(kept)] == ["A"]
    assert [event["name"] for event in serving.list_events(merged)] == ["B"]


def list_origins(serving: Serving, unique: str) -> list[tuple[Any, ...]]:
    """Which origin each event of these two members is stored under."""
    address = find_running(serving.home)
    assert address is not None
    with psycopg.connect(address.dsn) as connection:
        return connection.execute(
            "select t.seq, t.origin_id from events_tail t join members_identities i using (brand_id, origin_id)"
            " where i.lookup like %s order by seq",
            [f"%-{unique}"],
        ).fetchall()


def test_a_shared_phone_is_a_conflict_for_review(serving: Serving, unique: str) -> None:
    """«conflicts for review»: «a shared family phone becomes an `identity_conflict` for review, never a chain merge»"""
    phone = f"+8869{int(unique, 16) % 10**8:08d}"
    serving.send_well(identify(None, f"anon-{unique}", phone=phone))
    serving.send_well(identify(f"mum-{unique}", phone=phone), identify(f"son-{unique}", phone=phone))
    names = (f"anonymous_id:anon-{unique}", f"user_id:mum-{unique}", f"user_id:son-{unique}")
    visitor, mum, son = (serving.get_member(name)["id"] for name in names)
    assert len({visitor, mum, son}) == 3
    conflicts = [one for one in serving.get("/api/conflicts?limit=1000")["conflicts"] if one["value"] == phone]
    assert {(one["holder"], one["claimant"], one["reason"]) for one in conflicts} == {
        (visitor, mum, "unverified"),
        (visitor, son, "unverified"),
    }


def test_traits_are_typed_as_inferred_or_declared(serving: Serving, unique: str) -> None:
    """«traits typed (inferred or declared)»"""
    inferred, declared = f"visits_{unique}", f"since_{unique}"
    assert serving.call("PUT", f"/api/traits/{declared}", {"type": "date"}).status_code == 200
    serving.send_well(identify(unique, **{inferred: 3, declared: "2026-01-31"}))
    wrong = serving.send(identify(unique, **{declared: "yesterday"}))
    assert wrong.status_code == 200 and wrong.json()["rejected"][0]["code"]
    types = {trait["name"]: (trait["type"], trait["declared"]) for trait in serving.get("/api/traits")["traits"]}
    assert (types[inferred], types[declared]) == (("number", False), ("date", True))
    assert serving.get_member(f"user_id:{unique}")["traits"] == {inferred: 3, declared: "2026-01-31"}


def test_tags_and_consents_are_kept_with_their_proof(serving: Serving, unique: str) -> None:
    """«tags by hand, consents with proof, export»"""
    serving.send_well(identify(unique))
    member = serving.get_member(f"user_id:{unique}")["id"]
    tagged = serving.call("PUT", f"/api/members/{member}/tags/vip", {"weight": 0.8, "evidence": "said so"})
    assert tagged.status_code == 200, tagged.text
    path = f"/api/members/{member}/consents/{quote('e-mail')}/marketing"
    assert serving.call("PUT", path, {"granted": True}).status_code == 400, "a grant needs its proof"
    proof = {"source": "form", "text": "v3"}
    assert serving.call("PUT", path, {"granted": True, "proof": proof}).status_code == 200
    shown = serving.get(f"/api/members/{member}")
    assert [(tag["tag"], tag["weight"], tag["evidence"]) for tag in shown["tags"]] == [("vip", 0.8, "said so")]
    assert [(one["channel"], one["purpose"], one["granted"]) for one in shown["consents"]] == [
        ("e-mail", "marketing", True)
    ]
    held = serving.get(f"/api/members/{member}/export")
    assert held["consent_history"][0]["proof"] == proof
    assert held["member"]["id"] == member


def test_an_erased_member_is_hidden_at_once(serving: Serving, unique: str) -> None:
    """«erase (hidden at once)»; what still arrives is dropped with 200"""
    serving.send_well(identify(unique, f"anon-{unique}", city="高雄"), track(unique, None, "Last"))
    member = serving.get_member(f"user_id:{unique}")["id"]
    assert serving.call("DELETE", f"/api/members/{member}").status_code == 202
    assert serving.find_member(f"user_id:{unique}") is None
    assert serving.find_member(f"anonymous_id:anon-{unique}") is None
    for path in ("", "/events", "/export"):
        assert serving.call("GET", f"/api/members/{member}{path}").status_code == 404
    serving.send_well(track(unique, None, f"Too late {unique}"))
    assert serving.find_member(f"user_id:{unique}") is None
    assert f"Too late {unique}" not in serving.count_names()


def test_an_identity_taken_away_is_the_next_members(serving: Serving, unique: str) -> None:
    """Contract: `PUT|DELETE /api/members/{id}/identities/{kind}/{value}`: its events stay, what comes later does not"""
    serving.send_well(track(unique, None, "Before"))
    first = serving.get_member(f"user_id:{unique}")["id"]
    assert serving.call("DELETE", f"/api/members/{first}/identities/user_id/{unique}").status_code == 200
    serving.send_well(track(unique, None, "After"))
    second = serving.get_member(f"user_id:{unique}")["id"]
    assert first != second
    assert [event["name"] for event in serving.list_events(first)] == ["Before"]
    assert [event["name"] for event in serving.list_events(second)] == ["After"]


def test_personal_data_is_encrypted(serving: Serving, unique: str) -> None:
    """«Personal data encrypted as stated.»: nothing of it is in the database in clear, and it is found by exact value,
    last four digits and name"""
    phone, mail, card = f"+8869{int(unique, 16) % 10**8:08d}", f"{unique}@example.com", f"card{unique}"
    declared = serving.call("PUT", "/api/traits/pet_name", {"type": "text", "personal": True})
    assert declared.status_code == 200, declared.text
    told = identify(unique, phone=phone, email=mail, pet_name=f"pet{unique}")
    told["context"] = {"externalIds": [{"type": "card", "id": card}]}
    serving.send_well(told)
    member = serving.get_member(f"phone:{phone}")
    assert member["id"] == serving.get_member(f"email:{mail}")["id"] == serving.get_member(f"card:{card}")["id"]
    found = serving.get(f"/api/members?last_four={phone[-4:]}")["members"]
    assert member["id"] in {one["id"] for one in found}
    assert member["traits"]["pet_name"] == f"pet{unique}"
    address = find_running(serving.home)
    assert address is not None
    with psycopg.connect(address.dsn) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (table,) in tables:
            for secret in (phone, mail, card, f"pet{unique}"):
                query = f'select count(*) from "{table}" t where t::text like %s'
                assert connection.execute(query, [f"%{secret}%"]).fetchone() == (0,), f"{table} holds {secret}"  # pyright: ignore[reportArgumentType]


# --- API ------------------------------------------------------------------------------------------------------------


def test_settings_answer_the_contracts_defaults(serving: Serving) -> None:
    """«API for settings, members, items, ingest: `../shared/design/contract.md`»"""
    settings = serving.get("/api/settings")
    expected = {
        "time_zone": "Asia/Taipei",
        "currency": "TWD",
        "caps": [{"most": 2, "per": "30d"}, {"most": 1, "per": "7d", "topic": "promo"}],
        "quiet_hours": {"from": "22:00", "until": "08:00"},
        "holdout": 0.05,
        "attribution": "7d",
    }
    assert expected.items() <= settings.items()


def test_brands_know_nothing_of_each_other(serving: Serving, unique: str) -> None:
    """«several brands in one deployment (`regulars brand add`; a test walks every route with another brand's key:
    nothing is read or changed)»"""
    other = json.loads(serving.run("brand", "add", f"brand {unique}", "--json").stdout)
    serving.send_well(identify(unique, city="台中"))
    member = serving.get_member(f"user_id:{unique}")
    before = serving.get(f"/api/members/{member['id']}/export")
    paths = [path for path in serving.get("/openapi.json")["paths"] if "{member}" in path]
    assert len(paths) > 5
    for path in paths:
        told = path.format(member=member["id"], kind="card", value="1", tag="x", channel="mail", purpose="marketing")
        for method in serving.get("/openapi.json")["paths"][path]:
            body = {"granted": True, "proof": {"source": "x"}} if "consents" in path else {}
            answer = serving.call(method.upper(), told, body if method == "put" else None, key=other["api_key"])
            assert answer.status_code == 404, f"{method} {told}: {answer.status_code} {answer.text}"
    after = serving.get(f"/api/members/{member['id']}/export")
    assert after["member"] == before["member"]
    answer = serving.call("GET", f"/api/members?identity=user_id:{unique}", key=other["api_key"])
    assert answer.json()["members"] == []
    assert serving.call("GET", "/api/members", key=other["api_key"]).json()["members"] == []


def test_openapi_has_examples(serving: Serving) -> None:
    """«`/openapi.json` whose examples come from those tests»"""
    described = serving.get("/openapi.json")
    assert described["openapi"].startswith("3.")
    silent = [
        f"{method} {path}"
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/") and "example" not in json.dumps(operation)
    ]
    assert silent == []


def test_every_write_is_idempotent(serving: Serving, unique: str) -> None:
    """Contract: «a POST with an optional `Idempotency-Key` (same key, other body → 409)»; «Every write is idempotent»"""
    item = {"id": unique, "name": "杯", "price": "300"}
    once = serving.call("POST", "/api/items", {"items": [item]})
    assert once.json() == serving.call("POST", "/api/items", {"items": [item]}).json()
    assert [one["id"] for one in serving.get(f"/api/items?query={unique}")["items"]] == [unique]


def test_instants_are_utc_with_z(serving: Serving, unique: str) -> None:
    """Contract: «Instants are RFC 3339 (without a zone: the brand's …), answered in UTC with `Z`»"""
    serving.send_well({**track(unique, None, "Then"), "timestamp": "2026-02-01T09:30:00"})
    (event,) = serving.list_events(serving.get_member(f"user_id:{unique}")["id"])
    assert event["at"] == "2026-02-01T01:30:00Z"
    assert datetime.now(UTC) - datetime.fromisoformat(event["received_at"]) < timedelta(minutes=5)

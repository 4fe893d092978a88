"""`regulars serve --json`, its keys and its end; `regulars brand`."""

import json
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.serving import Serving, make_folder, wait_until

STOPPED_SECONDS_MAX = 20


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with make_folder() as made:
        yield made


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[Serving]:
    """A deployment that these tests may hurt."""
    started = Serving(folder / "my home 家").start()
    yield started
    started.end()


def settings_status(serving: Serving, api_key: str) -> int:
    """How the API answers this key."""
    headers = {"Authorization": f"Bearer {api_key}"}
    return httpx.get(f"{serving.url}/api/settings", headers=headers, timeout=30).status_code


def test_the_first_line_tells_url_keys_and_home(own: Serving) -> None:
    assert set(own.ready) >= {"url", "api_key", "write_key", "home"}
    assert own.ready["url"].startswith("http://127.0.0.1:")
    assert Path(own.ready["home"]) == own.home


def test_when_the_line_is_printed_the_api_answers(own: Serving) -> None:
    assert settings_status(own, own.ready["api_key"]) == 200
    assert httpx.get(f"{own.url}/healthz").status_code == 200


def test_keys_are_kept_in_a_file_of_the_owner_alone(own: Serving) -> None:
    file = own.home / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = json.loads(file.read_text())["default"]
    assert kept == {"api_key": own.ready["api_key"], "write_key": own.ready["write_key"]}


def test_a_brand_is_added_beside_a_running_serve(own: Serving) -> None:
    told = json.loads(own.run("brand", "add", "海邊書店", "--json").stdout)
    assert set(told) == {"name", "api_key", "write_key"}
    assert told["name"] == "海邊書店"
    assert settings_status(own, told["api_key"]) == 200
    assert json.loads(own.run("brand", "list", "--json").stdout) == {"brands": ["default", "海邊書店"]}
    sent = {"batch": [{"type": "identify", "userId": "x"}], "writeKey": told["write_key"]}
    assert httpx.post(f"{own.url}/v1/batch", json=sent).status_code == 200


@pytest.mark.parametrize("name", ["default", "a/b"])
def test_a_brand_that_cannot_be_is_refused_in_one_sentence(serving: Serving, name: str) -> None:
    done = serving.run("brand", "add", name, "--json", check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith("regulars: ")
    assert "Traceback" not in done.stderr


def test_the_port_survives_a_kill_of_web_and_events_are_kept(own: Serving) -> None:
    body = {"type": "track", "userId": "kept", "event": "Before", "writeKey": own.ready["write_key"]}
    assert httpx.post(f"{own.url}/v1/track", json=body).status_code == 200
    before = own.children()["web"]
    assert own.kill_child("web")
    wait_until(lambda: own.children().get("web", before) != before and own.is_healthy(), "web is back")
    headers = {"Authorization": f"Bearer {own.ready['api_key']}"}
    found = httpx.get(f"{own.url}/api/members", params={"identity": "user_id:kept"}, headers=headers, timeout=30)
    assert len(found.json()["members"]) == 1


def test_a_second_serve_in_one_home_is_refused(own: Serving) -> None:
    done = own.run("serve", "--json", "--port", "0", check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr
    assert own.is_healthy()


def test_sigterm_stops_all(own: Serving) -> None:
    before, children = own.ready, own.children()
    assert {"web", "worker", "postgres"} <= set(children)
    began = time.monotonic()
    code, rest = own.stop()
    assert (code, rest) == (0, ""), "standard output holds the one line alone"
    assert time.monotonic() - began < STOPPED_SECONDS_MAX
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())
    port = int(before["url"].rpartition(":")[2])
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


@pytest.mark.long
def test_the_next_start_has_the_same_keys(own: Serving) -> None:
    before = own.ready
    own.end()
    again = own.start(int(before["url"].rpartition(":")[2]))
    assert again.ready == before
    assert settings_status(again, before["api_key"]) == 200

"""LINE's rules: what counts, what is refused in which words, how long keys and tokens hold."""

import pytest

from tests.channels.simulator.driving import KEY, Driven, make_png

TEXT = [{"type": "text", "text": "您好"}]
MENU = {
    "size": {"width": 1200, "height": 800},
    "selected": False,
    "name": "main",
    "chatBarText": "選單",
    "areas": [
        {
            "bounds": {"x": 0, "y": 0, "width": 600, "height": 800},
            "action": {"type": "richmenuswitch", "richMenuAliasId": "b", "data": "tab=b"},
        }
    ],
}


def test_a_request_counts_the_person_not_the_objects(driven: Driven) -> None:
    told = driven.line("POST", "/v2/bot/message/push", {"to": "U1", "messages": TEXT * 5})
    assert len({one["id"] for one in told.body["sentMessages"]}) == 5
    assert driven.usage() == 1
    assert driven.line("POST", "/v2/bot/message/multicast", {"to": ["U1", "U2", "U1"], "messages": TEXT}).body == {}
    assert driven.usage() == 3
    assert driven.line("POST", "/v2/bot/message/broadcast", {"messages": TEXT}).status == 200
    assert driven.usage() == 5
    assert [one["received"] for one in driven.control("GET", "people", channel="line")["people"]] == [3, 2]


def test_who_blocked_or_never_was_gets_200_and_counts_nothing(driven: Driven) -> None:
    driven.control("POST", "block", {"channel": "line", "id": "U1"})
    driven.control("POST", "people", {"channel": "line", "ids": ["U3"], "friend": False})
    for one in ("U1", "U3", "U" + "0" * 32):
        told = driven.push(one)
        assert (told.status, len(told.body["sentMessages"]), told.received.counted) == (200, 1, 0)
    assert (driven.usage(), driven.texts("U1"), driven.texts("U3")) == (0, [], [])
    assert driven.push("somebody").body["message"].startswith("The property, 'to', in the request body is invalid")


def test_a_retry_key_holds_24_hours_and_one_body(driven: Driven) -> None:
    first = driven.push(x_line_retry_key=KEY)
    again = driven.push(x_line_retry_key=KEY.upper())
    assert (first.status, again.status, again.received.outcome) == (200, 409, "duplicate")
    assert again.headers["x-line-accepted-request-id"] == first.headers["x-line-request-id"]
    assert again.body == {"message": "The retry key is already accepted", **first.body}
    other = driven.push(text="別的", x_line_retry_key=KEY)
    assert (other.status, other.received.outcome) == (409, "key_reused")
    assert driven.control("GET", "totals")["key_reused"] == 1
    assert driven.texts("U1") == ["您好"]
    driven.wait(hours=23, minutes=59)
    assert driven.push(x_line_retry_key=KEY).status == 409
    driven.wait(minutes=1)
    assert driven.push(x_line_retry_key=KEY).status == 200
    assert driven.usage() == 2


def test_a_refused_request_does_not_take_its_key(driven: Driven) -> None:
    driven.control("PUT", "faults", {"quota": 0})
    assert driven.push(x_line_retry_key=KEY).status == 429
    driven.control("PUT", "faults", {"quota": None})
    assert driven.push(x_line_retry_key=KEY).status == 200


def test_keys_are_refused_where_they_have_no_meaning(driven: Driven) -> None:
    assert driven.push(x_line_retry_key="no-uuid").status == 400
    reply = {"replyToken": "t", "messages": TEXT}
    assert driven.line("POST", "/v2/bot/message/reply", reply, x_line_retry_key=KEY).status == 400


def test_the_quota_is_the_months_and_all_or_nothing(driven: Driven) -> None:
    driven.control("PUT", "faults", {"quota": 2})
    assert driven.line("GET", "/v2/bot/message/quota").body == {"type": "limited", "value": 2}
    assert driven.push().status == 200
    over = driven.line("POST", "/v2/bot/message/multicast", {"to": ["U1", "U2"], "messages": TEXT})
    assert (over.status, over.body) == (429, {"message": "You have reached your monthly limit."})
    assert (over.received.outcome, driven.usage(), driven.texts("U2")) == ("quota", 1, [])
    driven.control("PUT", "clock", {"now": "2026-11-30T15:59:59Z"})
    assert (driven.push().status, driven.push().status) == (200, 429)
    driven.control("PUT", "clock", {"advance": "1m"})
    assert (driven.usage(), driven.push().status) == (0, 200), "December began in Taiwan"


def test_an_account_has_its_own_quota_people_and_token(driven: Driven) -> None:
    vip = driven.control("PUT", "accounts", {"channel": "line", "name": "vip", "quota": 1})
    driven.control("POST", "people", {"channel": "line", "account": "vip", "ids": ["U1"]})
    token = f"Bearer {vip['access_token']}"
    assert [driven.push(authorization=token).status for _ in range(2)] == [200, 429]
    assert (driven.push().status, driven.usage()) == (200, 1)
    shown = driven.control("GET", "messages", to="U1")["messages"]
    assert [one["account"] for one in shown] == ["vip", "main"]
    assert driven.push(authorization="Bearer wrong").received.outcome == "unauthorized"


def test_a_reply_is_free_once_and_for_a_minute(driven: Driven) -> None:
    def speak() -> str:
        driven.control("POST", "say", {"channel": "line", "id": "U1", "text": "有開嗎"})
        return next(reversed(driven.account.reply_tokens))

    def answer(token: str) -> int:
        return driven.line("POST", "/v2/bot/message/reply", {"replyToken": token, "messages": TEXT}).status

    token = speak()
    assert (answer(token), answer(token), driven.usage()) == (200, 400, 0)
    late = speak()
    driven.wait(seconds=61)
    assert answer(late) == 400
    renewed = speak()
    driven.wait(minutes=5)
    driven.account.renew_reply_token(renewed, driven.world.now())
    driven.wait(seconds=59)
    assert answer(renewed) == 200, "delivered again, it holds a minute again"
    old = speak()
    driven.wait(minutes=20, seconds=1)
    driven.account.renew_reply_token(old, driven.world.now())
    assert answer(old) == 400, "never more than twenty minutes after the event"


def test_the_published_rates_are_kept_where_they_are_wanted(driven: Driven) -> None:
    driven.control("PUT", "faults", {"published_rates": True})
    sent = [driven.line("POST", "/v2/bot/message/broadcast", {"messages": TEXT}) for _ in range(61)]
    assert [one.status for one in sent] == [200] * 60 + [429]
    assert sent[-1].body == {"message": "The API rate limit has been exceeded. Try again later."}
    assert driven.push().status == 200, "each endpoint has its own"
    driven.wait(minutes=1)
    assert driven.line("POST", "/v2/bot/message/broadcast", {"messages": TEXT}).status == 200


def test_a_narrowcast_goes_to_at_least_fifty(driven: Driven) -> None:
    few = driven.line("POST", "/v2/bot/message/narrowcast", {"messages": TEXT})
    assert few.status == 202
    path = "/v2/bot/message/progress/narrowcast?requestId="
    told = driven.line("GET", path + few.headers["x-line-request-id"]).body
    assert (told["phase"], told["errorCode"], driven.usage()) == ("failed", 2, 0)
    driven.control("POST", "people", {"channel": "line", "ids": [f"U{number}" for number in range(3, 100)]})
    many = driven.line("POST", "/v2/bot/message/narrowcast", {"messages": TEXT, "limit": {"max": 60}})
    told = driven.line("GET", path + many.headers["x-line-request-id"]).body
    assert (told["phase"], told["successCount"], driven.usage()) == ("succeeded", 60, 60)
    assert driven.line("GET", path + "nonsense").status == 404


def test_profiles_and_followers_are_of_friends(driven: Driven) -> None:
    assert driven.line("GET", "/v2/bot/profile/U1").body["userId"] == "U1"
    driven.control("POST", "block", {"channel": "line", "id": "U1"})
    assert driven.line("GET", "/v2/bot/profile/U1").body == {"message": "Not found"}
    assert driven.line("GET", "/v2/bot/followers/ids").body == {"userIds": ["U2"]}
    driven.control("POST", "people", {"channel": "line", "ids": [f"U{number}" for number in range(3, 10)]})
    page = driven.line("GET", "/v2/bot/followers/ids?limit=5").body
    rest = driven.line("GET", f"/v2/bot/followers/ids?limit=5&start={page['next']}").body
    assert [*page["userIds"], *rest["userIds"]] == [f"U{number}" for number in range(2, 10)]


def test_a_rich_menu_goes_its_way(driven: Driven) -> None:
    def make(alias: str) -> str:
        menu = driven.line("POST", "/v2/bot/richmenu", MENU).body["richMenuId"]
        early = driven.line("POST", f"/v2/bot/user/U1/richmenu/{menu}")
        assert early.body == {"message": "must upload richmenu image before applying it to user"}
        content = f"/v2/bot/richmenu/{menu}/content"
        assert driven.line("POST", content, make_png(800, 250), content_type="image/png").status == 400
        assert driven.line("POST", content, make_png(), content_type="image/png").status == 200
        assert driven.line("POST", content, make_png(), content_type="image/png").status == 400, "not replaced"
        aliased = {"richMenuAliasId": alias, "richMenuId": menu}
        assert driven.line("POST", "/v2/bot/richmenu/alias", aliased).status == 200
        return menu

    first, second = make("a"), make("b")
    assert driven.line("POST", f"/v2/bot/user/all/richmenu/{first}").status == 200
    pressed = driven.control("POST", "press", {"channel": "line", "id": "U1", "data": "tab=b"})
    assert pressed["event"] is not None
    assert driven.line("GET", "/v2/bot/user/U1/richmenu").body == {"richMenuId": second}
    link = {"richMenuId": first, "userIds": ["U1", "U2"]}
    assert driven.line("POST", "/v2/bot/richmenu/bulk/link", link).status == 202
    assert driven.line("GET", "/v2/bot/user/U2/richmenu").body == {"richMenuId": first}
    change = {"operations": [{"type": "link", "from": first, "to": second}]}
    batch = driven.line("POST", "/v2/bot/richmenu/batch", change)
    progress = f"/v2/bot/richmenu/progress/batch?requestId={batch.headers['x-line-request-id']}"
    assert driven.line("GET", progress).body["phase"] == "succeeded"
    assert driven.line("GET", "/v2/bot/user/U2/richmenu").body == {"richMenuId": second}
    assert driven.line("DELETE", f"/v2/bot/richmenu/{second}").status == 200
    assert driven.line("GET", "/v2/bot/user/U2/richmenu").status == 404
    assert len(driven.line("GET", "/v2/bot/richmenu/list").body["richmenus"]) == 1


def test_account_linking_ends_with_a_nonce(driven: Driven) -> None:
    token = driven.line("POST", "/v2/bot/user/U1/linkToken").body["linkToken"]
    hook = {"channel": "line", "url": "http://127.0.0.1:9/"}
    driven.control("PUT", "webhook", hook)
    sent: list[bytes] = []
    driven.world.hooks.send = lambda outgoing: sent.append(outgoing.build(False)[0])
    link = {"channel": "line", "id": "U1", "link_token": token, "nonce": "n-1"}
    driven.control("POST", "link", link)
    driven.control("POST", "link", link)
    assert b'"link":{"result":"ok","nonce":"n-1"}' in sent[0]
    assert b'"result":"failed"' in sent[1], "a token is used once"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The request body could not be parsed as JSON"),
        (b"[]", "The request body could not be parsed as JSON"),
        (b'{"to":"U1","messages":' + b"[" * 5000 + b"]" * 5000 + b"}", "The request body could not be parsed as JSON"),
        (b"\xff\xfe", "The request body could not be parsed as JSON"),
        (b" " * (2 * 1024 * 1024 + 1), "The request body exceeds the maximum size of 2 MB"),
    ],
)
def test_a_body_that_cannot_be_read(driven: Driven, body: bytes, message: str) -> None:
    assert driven.line("POST", "/v2/bot/message/push", body).body["message"].startswith(message)


def test_what_is_not_there_is_not_found(driven: Driven) -> None:
    assert driven.line("GET", "/v2/bot/nonsense").body == {"message": "Not found"}
    assert driven.line("GET", "/v2/bot/message/push").status == 404
    assert driven.line("POST", "/v2/bot/message/push", b"to=U1", content_type="text/plain").body == {
        "message": "The content type, text/plain, is not supported"
    }

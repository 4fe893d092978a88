"""What a stranger needs to send: a simulated LINE and Telegram, a mail server that keeps what it takes, and a brand.

What is spelled here where contract.md says nothing. The simulator's control: `POST /_control/block` and `unblock` take
`{"channel","id"}` and perhaps `"account"`, `say` also `"text"`, `press` also `"label"`. `GET /_control/messages?to=`
answers `{"messages":[{ "message","request",…}],"next"}`, an entry for each object; those of one request are one
counted message. `GET /_control/requests` answers
`{"requests":[{"path","retry_key","body_hash","recipients","status",…}],"next"}` in the order in which they came. `PUT
/_control/accounts {"channel","name","quota"?}` answers another account's secrets. A webhook is registered as with the
vendor: `PUT /v2/bot/channel/webhook/endpoint`, `setWebhook`.

A brand here starts without caps, quiet hours and global holdout, so that each test switches on what it is about.
"""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import math
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from tests.contract.client import encoded
from tests.support.serving import Serving, wait_until
from tests.support.shop import Shop
from tests.support.simulating import Post as Post
from tests.support.simulating import Received as Received
from tests.support.simulating import Simulator as Simulator
from tests.support.simulating import open_post as open_post

TAIPEI: Final = ZoneInfo("Asia/Taipei")
PLAN_DAYS: Final = 28
SENT_SECONDS_MAX: Final = 40
LAST_STATES: Final = {"accepted", "rejected", "unknown", "refused", "withheld", "cancelled"}
COUNTED_STATES: Final = {"reserved", "sending", "accepted", "unknown", "withheld"}
"""architecture.md: «reserved, sending, accepted, unknown and withheld count against caps; rejected releases»"""
KINDS: Final = {"line-main": "line", "tg": "telegram", "mail": "email"}
REASONS: Final = {
    *("no_consent", "suppressed", "unreachable", "holdout", "quiet_hours", "cap", "quota", "budget", "duplicate"),
    *("outvalued", "not_in_audience", "missing_value", "erased", "expired"),
}
OPEN: Final = {"caps": None, "quiet_hours": None, "holdout": 0}

_numbers = itertools.count(int(time.time() * 1_000))


def today() -> date:
    """The brand's day."""
    return datetime.now(TAIPEI).date()


def new_group() -> str:
    """A value of the trait `group` that nobody has yet."""
    return f"g{next(_numbers)}"


def decimal(value: object) -> float:
    """Money arrives as text."""
    return float(str(value))


# --- the brand ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """A member with an address on every channel it was given."""

    id: str
    user: str
    line: str
    telegram: str
    email: str


def make_person() -> Person:
    number = next(_numbers)
    return Person("", f"u{number}", f"U{number:032x}", str(number), f"u{number}@example.com")


class Sender(Shop):
    """A brand with a LINE account `line-main` and a Telegram bot `tg`, both simulated, and nobody in it yet."""

    def __init__(self, serving: Serving, name: str | None, simulator: Simulator) -> None:
        super().__init__(serving, name, letters="")
        self.simulator = simulator
        self.webhooks: dict[str, str] = {}
        self.secret = f"s{uuid.uuid4().hex}"
        self.put_line()
        self.put_telegram()
        self.put_settings()

    # --- channels ---

    def put_channel(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        told = self.ask("PUT", f"/api/channels/{encoded(name)}", dict(body))
        self.webhooks[name] = told["webhook_url"]
        return told

    def put_line(self, name: str = "line-main", **more: str) -> dict[str, Any]:
        return self.put_channel(name, {"kind": "line", **self.simulator.line, **more})

    def put_telegram(self, name: str = "tg", **more: str) -> dict[str, Any]:
        return self.put_channel(
            name, {"kind": "telegram", **self.simulator.telegram, "secret_token": self.secret, **more}
        )

    def put_mail(self, post: Post, name: str = "mail", **more: Any) -> dict[str, Any]:
        where = {"smtp_url": f"smtp://127.0.0.1:{post.port}", "from": "shop@example.com"}
        return self.put_channel(name, {"kind": "email", **where, **more})

    def register_webhooks(self) -> None:
        """Tell LINE and Telegram where this brand listens, as its owner does at the vendor."""
        endpoint = {"endpoint": self.webhooks["line-main"]}
        assert self.simulator.call_line("PUT", "/v2/bot/channel/webhook/endpoint", endpoint).status_code == 200
        where = {"url": self.webhooks["tg"], "secret_token": self.secret}
        assert self.simulator.call_telegram("setWebhook", where).json()["ok"] is True

    def put_prices(self, channel: str, current: str, *plans: Mapping[str, Any]) -> None:
        """Each plan: `code`, `included`, and what differs from fee 0 and nothing beyond."""
        rows = [{"valid_from": "2020-01-01", "valid_to": None, "fee": "0", "extra": None, **plan} for plan in plans]
        self.ask("PUT", f"/api/price-plans/{channel}", {"current": current, "plans": rows})

    def limit(self, channel: str, included: int) -> None:
        """A price plan of so many messages and none beyond."""
        self.put_prices(channel, "fixed", {"code": "fixed", "included": included})

    # --- settings ---

    def put_settings(self, **changed: Any) -> None:
        self.ask("PUT", "/api/settings", {**OPEN, **changed})

    @contextlib.contextmanager
    def settings(self, **changed: Any) -> Iterator[None]:
        """Settings while the block runs."""
        self.put_settings(**changed)
        try:
            yield
        finally:
            self.put_settings()

    # --- members ---

    def add(
        self,
        count: int = 1,
        *,
        on: Sequence[str] = ("line-main",),
        consent: bool = True,
        known: bool = True,
        traits: Callable[[int], Mapping[str, Any]] | None = None,
        group: str = "",
    ) -> list[Person]:
        """Members reachable on these channels; with `consent` for marketing, with `known` as friends in the simulator.

        All of them have the trait `group`, if one is given.
        """
        made = [make_person() for _ in range(count)]
        kinds = {KINDS[channel] for channel in on}
        calls: list[dict[str, Any]] = []
        for number, one in enumerate(made):
            told = {**({"group": group} if group else {}), **(traits(number) if traits else {})}
            if "email" in kinds:
                told["email"] = one.email
            ids = [{"type": kind, "id": getattr(one, kind)} for kind in sorted(kinds - {"email"})]
            calls.append({"type": "identify", "userId": one.user, "traits": told, "context": {"externalIds": ids}})
        for start in range(0, count, 500):
            self.tell(*calls[start : start + 500])
        for kind in ("line", "telegram"):
            if known and kind in kinds:
                self.simulator.add_people(kind, [str(getattr(one, kind)) for one in made])
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(self._find, made))
            if consent:
                asked = [(one, channel) for one in found for channel in on]
                list(threads.map(lambda one: self.consent(*one), asked))
        return found

    def _find(self, one: Person) -> Person:
        return Person(self.member(f"user_id:{one.user}")["id"], one.user, one.line, one.telegram, one.email)

    def add_one(self, **options: Any) -> Person:
        (one,) = self.add(1, **options)
        return one

    def consent(
        self, one: Person, channel: str = "line-main", *, granted: bool = True, purpose: str = "marketing"
    ) -> None:
        path = f"/api/members/{one.id}/consents/{encoded(channel)}/{purpose}"
        self.ask("PUT", path, {"granted": granted, "proof": {"source": "form", "text": "v3"}})

    def find_consent(self, identity: str, channel: str) -> bool | None:
        """What the member that holds this identity said about marketing on a channel; None: nothing."""
        member = self.find(identity)
        consents = member["consents"] if member else []
        said = [one for one in consents if (one["channel"], one["purpose"]) == (channel, "marketing")]
        return max(said, key=lambda one: one["at"])["granted"] if said else None

    # --- campaigns and plans ---

    def put_campaign(self, group: str, **fields: Any) -> str:
        """A campaign to those whose trait `group` is this, worth 1.50 each on LINE; its name."""
        name = fields.pop("name", f"campaign-{next(self._numbers)}")
        audience = fields.pop("audience", None) or self.save({"trait": {"group": group}})
        self.ask("PUT", f"/api/campaigns/{name}", make_campaign(audience, **fields))
        return name

    def post_plan(self, *campaigns: str, **fields: Any) -> httpx.Response:
        start = today()
        body = {
            "campaigns": campaigns,
            "from": f"{start}",
            "until": f"{start + timedelta(days=PLAN_DAYS - 1)}",
            **fields,
        }
        return self.request("POST", "/api/plans", headers={"Authorization": f"Bearer {self.api_key}"}, json=body)

    def plan(self, *campaigns: str, **fields: Any) -> dict[str, Any]:
        """A draft."""
        answer = self.post_plan(*campaigns, **fields)
        assert answer.status_code in {200, 201}, answer.text
        made = answer.json()
        assert made["state"] == "draft"
        return made

    def send_plan(self, plan: Mapping[str, Any]) -> None:
        told = self.ask("POST", f"/api/plans/{plan['id']}/send", status=202)
        assert told == {"id": plan["id"], "state": "sending"}

    def run(self, *campaigns: str, **fields: Any) -> dict[str, Any]:
        """A plan, sent to its end."""
        plan = self.plan(*campaigns, **fields)
        self.send_plan(plan)
        return self.wait_sent(plan)

    def wait_sent(self, plan: Mapping[str, Any], seconds_max: float = SENT_SECONDS_MAX) -> dict[str, Any]:
        path = f"/api/plans/{plan['id']}"
        wait_until(lambda: self.ask("GET", path)["state"] == "sent", "the plan is sent", seconds_max)
        return self.ask("GET", path)

    def list_pages(self, path: str, what: str, **params: Any) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"limit": 1_000, **params}
        while True:
            page = self.ask("GET", path, params=asked)
            found += page[what]
            if page["next"] is None:
                return found
            asked["cursor"] = page["next"]

    def assignments(self, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
        return self.list_pages(f"/api/plans/{plan['id']}/assignments", "assignments")

    def deliveries(self, **filters: str) -> list[dict[str, Any]]:
        return self.list_pages("/api/deliveries", "deliveries", **filters)

    def get_delivery(self, **filters: str) -> dict[str, Any]:
        """The one delivery of these filters."""
        (found,) = self.deliveries(**filters)
        return found

    # --- single sends ---

    def single(self, one: Person, text: str = "您好", channel: str = "line-main", **fields: Any) -> dict[str, Any]:
        """A send of one message to one member, once it has its last state."""
        made = self.post_single(one, text, channel, **fields)
        return made if made["state"] in LAST_STATES else self.wait_last(one, made["id"])

    def post_single(self, one: Person, text: str = "您好", channel: str = "line-main", **fields: Any) -> dict[str, Any]:
        body = {
            "member": one.id,
            "channel": channel,
            "purpose": "marketing",
            "message": {"zh-TW": {"subject": "您好", "text": text}},
            "dedupe_key": str(uuid.uuid4()),
            **fields,
        }
        return self.ask("POST", "/api/deliveries", body, status=202)

    def wait_last(self, one: Person, delivery: str, seconds_max: float = SENT_SECONDS_MAX) -> dict[str, Any]:
        def find() -> dict[str, Any]:
            (found,) = [row for row in self.deliveries(member=one.id) if row["id"] == delivery]
            return found

        wait_until(lambda: find()["state"] in LAST_STATES, "the delivery has its last state", seconds_max)
        return find()

    def why(self, one: Person, campaign: str) -> dict[str, Any]:
        return self.ask("GET", "/api/deliveries/why", params={"member": one.id, "campaign": campaign})

    # --- what a phone and a bot would send ---

    def hook_line(self, *events: Mapping[str, Any], channel: str = "line-main", secret: str = "") -> httpx.Response:
        """A webhook signed as LINE signs: Base64 of HMAC-SHA256 over the bytes of the body."""
        body = json.dumps({"destination": "Uxxxx", "events": events}).encode()
        key = (secret or self.simulator.line["secret"]).encode()
        signature = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()
        headers = {"X-Line-Signature": signature, "Content-Type": "application/json"}
        return self.http.post(self.webhooks[channel], content=body, headers=headers)

    def hook_telegram(self, update: Mapping[str, Any], secret: str = "") -> httpx.Response:
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret or self.secret}
        body = {"update_id": next(_numbers), **update}
        return self.http.post(self.webhooks["tg"], json=body, headers=headers)


def make_campaign(audience: str, **fields: Any) -> dict[str, Any]:
    """The body of a campaign whose window is the next four weeks."""
    start = today()
    return {
        "audience": audience,
        "topic": "news",
        "purpose": "marketing",
        "channels": ["line-main"],
        "window": {"from": f"{start}", "until": f"{start + timedelta(days=PLAN_DAYS - 1)}"},
        "message": {"zh-TW": {"subject": "新品", "text": "新品到了"}},
        "goal": {"event": "Order Completed", "within": "7d"},
        "value": {"by": "fixed", "value": "1.50"},
        "holdout": 0,
        **fields,
    }


def line_event(kind: str, user: str, **more: Any) -> dict[str, Any]:
    """An event of LINE's webhook."""
    return {
        "type": kind,
        "mode": "active",
        "timestamp": math.ceil(time.time() * 1_000),
        "source": {"type": "user", "userId": user},
        "webhookEventId": f"01{uuid.uuid4().hex[:24].upper()}",
        "deliveryContext": {"isRedelivery": False},
        **more,
    }


def follow(user: str) -> dict[str, Any]:
    return line_event("follow", user, replyToken=uuid.uuid4().hex, follow={"isUnblocked": False})


def start_update(chat: str, payload: str = "") -> dict[str, Any]:
    """Somebody presses Start in a private chat."""
    person = {"id": int(chat), "is_bot": False, "first_name": "Mei"}
    said = {"text": f"/start {payload}".strip(), "entities": [{"type": "bot_command", "offset": 0, "length": 6}]}
    private = {"id": int(chat), "type": "private", "first_name": "Mei"}
    message = {"message_id": 1, "date": int(time.time()), "chat": private, "from": person, **said}
    return {"message": message}


def member_update(chat: str, before: str, after: str) -> dict[str, Any]:
    """The bot's own standing in a private chat changes: `member`, `kicked`."""
    bot = {"id": 1, "is_bot": True, "first_name": "Shop", "username": "shop_bot"}
    stand = {"member": {"user": bot, "status": "member"}, "kicked": {"user": bot, "status": "kicked", "until_date": 0}}
    return {
        "my_chat_member": {
            "chat": {"id": int(chat), "type": "private", "first_name": "Mei"},
            "from": {"id": int(chat), "is_bot": False, "first_name": "Mei"},
            "date": int(time.time()),
            "old_chat_member": stand[before],
            "new_chat_member": stand[after],
        }
    }


def find_links(texts: Sequence[str], what: str = "l") -> list[str]:
    """Addresses of /l/… or /u/… in texts."""
    return [found for text in texts for found in re.findall(rf"https?://[^\s\"'<>\\]+/{what}/[A-Za-z0-9_\-.~]+", text)]

"""A brand that rewards: its ledger, its programme and its vouchers as a stranger asks them over HTTP.

Decides how a transfer is written down, how balances are read as numbers, and how long a test waits until an event has
driven the programme. Says nothing about what should come out.
"""

import itertools
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from tests.contract.client import encoded
from tests.support.serving import wait_until
from tests.support.shop import Shop, text

ISSUER: Final = "issuer/points"
BREAKAGE: Final = "breakage/points"
REWARDED_SECONDS_MAX: Final = 30
SWEPT_SECONDS_MAX: Final = 90
CONNECTIONS: Final = 16
FAR: Final = "2099-01-01T00:00:00.000000Z"
JUNE, JULY, AUGUST = (f"2098-0{month}-01T00:00:00.000000Z" for month in (6, 7, 8))


def new_id() -> str:
    return str(uuid.uuid4())


def soon(seconds: float) -> str:
    """An instant of the present clock, as the API takes it."""
    return text(datetime.now(UTC) + timedelta(seconds=seconds))


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def line(account: str, amount: int | str, **lot: Any) -> dict[str, Any]:
    return {"account": account, "amount": str(amount), **lot}


def transfer(*lines: Mapping[str, Any], kind: str = "earn", **more: Any) -> dict[str, Any]:
    return {"id": new_id(), "kind": kind, "lines": list(lines), "meta": {}, **more}


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call all of them on connections of their own, let go at the same moment."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


class Rewarded(Shop):
    """A brand of eight members, with nothing owed to them yet."""

    def try_ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Whatever the answer is."""
        told = {} if body is None else {"json": body}
        return self.request(method, path, headers={"Authorization": f"Bearer {self.api_key}"}, **told)

    # --- ledger ---

    def put_asset(self, code: str = "points", **fields: Any) -> dict[str, Any]:
        body = {"scale": 0, "funded": "granted", "licensed": False, **fields}
        return self.ask("PUT", f"/api/ledger/assets/{code}", body)

    def of(self, who: str, asset: str = "points") -> str:
        """A member's account."""
        return f"member:{self.ids[who]}/{asset}"

    def post(self, *transfers: Mapping[str, Any]) -> list[dict[str, Any]]:
        told = self.ask("POST", "/api/ledger/transfers", {"transfers": list(transfers)})["results"]
        assert [one["id"] for one in told] == [one["id"] for one in transfers], "one result each, in their order"
        return told

    def post_one(self, made: Mapping[str, Any]) -> tuple[str, str | None]:
        """Result and code."""
        (told,) = self.post(made)
        return told["result"], told.get("code")

    def credit(self, who: str, amount: int, asset: str = "points", **lot: Any) -> str:
        """Points from the issuer; the transfer's id."""
        made = transfer(line(f"issuer/{asset}", -amount), line(self.of(who, asset), amount, **lot))
        assert self.post_one(made) == ("created", None)
        return made["id"]

    def make_spend(self, who: str, amount: int, asset: str = "points", to: str = "") -> dict[str, Any]:
        return transfer(line(self.of(who, asset), -amount), line(to or f"issuer/{asset}", amount), kind="spend")

    def spend(self, who: str, amount: int, asset: str = "points", to: str = "") -> str:
        made = self.make_spend(who, amount, asset, to)
        assert self.post_one(made) == ("created", None)
        return made["id"]

    def account(self, name: str) -> dict[str, Any]:
        return self.ask("GET", f"/api/ledger/accounts/{encoded(name)}")

    def figures(self, who: str, asset: str = "points") -> tuple[int, int, int]:
        """Posted, held, available."""
        told = self.account(self.of(who, asset))
        return int(told["posted"]), int(told["held"]), int(told["available"])

    def posted(self, name: str) -> int:
        return int(self.account(name)["posted"])

    def statement(self, who: str, asset: str = "points", limit: int = 1_000) -> list[dict[str, Any]]:
        """All entries, newest first."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            path = f"/api/ledger/accounts/{encoded(self.of(who, asset))}/statement"
            page = self.ask("GET", path, params={"limit": limit, **cursor})
            found += page["entries"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    def lots(self, who: str, asset: str = "points") -> dict[str | None, int]:
        """What is left of each lot by its expiry, from the statement alone."""
        left: dict[str | None, int] = {}
        for entry in self.statement(who, asset):
            for lot in entry["lots"]:
                left[lot["expires_at"]] = left.get(lot["expires_at"], 0) + int(lot["amount"])
        return {at: amount for at, amount in left.items() if amount}

    def reverse(self, made: str, **body: Any) -> dict[str, Any]:
        return self.ask("POST", f"/api/ledger/transfers/{made}/reverse", {"id": new_id(), **body})

    def hold(self, who: str, amount: int | str, seconds: float = 3_600, **body: Any) -> dict[str, Any]:
        told = {
            "id": new_id(),
            "account": self.of(who),
            "to": ISSUER,
            "amount": str(amount),
            "expires_at": soon(seconds),
        }
        return self.ask("POST", "/api/ledger/holds", {**told, **body})

    def capture(self, hold: str, amount: int | None = None, *, status: int = 200) -> dict[str, Any]:
        body = {} if amount is None else {"amount": str(amount)}
        return self.ask("POST", f"/api/ledger/holds/{hold}/capture", body, status=status)

    def void(self, hold: str, *, status: int = 200) -> dict[str, Any]:
        return self.ask("POST", f"/api/ledger/holds/{hold}/void", {}, status=status)

    def check_books(self) -> None:
        assert self.ask("GET", "/api/ledger/check") == {"ok": True, "findings": []}

    # --- programme ---

    def put_programme(self, name: str = "main", /, **sections: Any) -> dict[str, Any]:
        """Name and version; warnings, as of events that nobody has sent yet, are left out."""
        told = self.ask("PUT", f"/api/programmes/{name}", sections)
        return {field: told[field] for field in ("name", "version")}

    def loyalty(self, who: str) -> dict[str, Any]:
        return self.ask("GET", f"/api/members/{self.ids[who]}/loyalty")

    def balance(self, who: str, asset: str = "points") -> int:
        """As the member is told."""
        return int(self.loyalty(who)["balances"].get(asset, 0))

    def wait_balance(self, who: str, expected: int, asset: str = "points") -> None:
        """The member has exactly this, and still has it a moment later; the ledger says the same."""
        self.settle()
        assert self.balance(who, asset) == expected, f"{who} has {self.balance(who, asset)} {asset}"
        assert self.figures(who, asset)[2] == expected

    def order(self, who: str, revenue: str | int, at: datetime | None = None, /, **more: Any) -> dict[str, object]:
        """An order, not yet sent; without `order_id` one of its own."""
        told = {"order_id": new_id(), "revenue": str(revenue), **more}
        return self.event(who, "Order Completed", at or datetime.now(UTC), **told)

    def buy(self, who: str, revenue: str | int, at: datetime | None = None, /, **more: Any) -> str:
        """An order, sent; its id."""
        made = new_id()
        self.tell(self.order(who, revenue, at, **{"order_id": made, **more}))
        return made

    def refund(self, who: str, order: str, revenue: str | int | None = None, at: datetime | None = None) -> None:
        """All of an order, or so much of it."""
        part = {} if revenue is None else {"revenue": str(revenue)}
        self.tell(self.event(who, "Order Refunded", at or datetime.now(UTC), order_id=order, **part))

    def settle(self) -> None:
        """Wait until every event so far has driven the programme: `GET /api/programmes` tells how many wait."""
        wait_until(
            lambda: all(one["waiting"] == 0 for one in self.ask("GET", "/api/programmes")["programmes"]),
            "events have driven the programme",
            REWARDED_SECONDS_MAX,
        )

    # --- vouchers and rewards ---

    def issue(self, pool: str, who: str) -> httpx.Response:
        return self.try_ask("POST", f"/api/voucher-pools/{pool}/issue", {"member": self.ids[who]})

    def issue_code(self, pool: str, who: str) -> str:
        answer = self.issue(pool, who)
        assert answer.status_code == 200, answer.text
        return answer.json()["code"]

    def use(self, what: str, code: str, who: str, **body: Any) -> httpx.Response:
        """Reserve, confirm or release a voucher."""
        return self.try_ask("POST", f"/api/vouchers/{encoded(code)}/{what}", {"member": self.ids[who], **body})

    def redeem(self, reward: str, who: str, **body: Any) -> httpx.Response:
        return self.try_ask("POST", f"/api/rewards/{reward}/redeem", {"member": self.ids[who], **body})

    def close_redemption(self, redemption: str, what: str) -> httpx.Response:
        return self.try_ask("POST", f"/api/redemptions/{redemption}/{what}", {})


_users = itertools.count(1)


def new_user(brand: Rewarded, **traits: Any) -> str:
    """Another member of the brand; the letter it goes by in a test."""
    user = f"n{next(_users)}"
    brand.ids[user] = brand.new_member(user, **traits)
    return user

"""The demo's programme: the baskets drive it as they come, some members take a reward, and the books are read.

What the ledger holds must be what a dry run over the history says; else the demo stops. That members take a reward is the
demo's own doing: every tenth household does, where it has the points. Nothing else is made up.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from regulars.bootstrap.asking import ask_brand
from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import ServeFailed, TotalsDiffer
from regulars.bootstrap.demo.reaching import read_held
from regulars.bootstrap.deployment import Deployment
from regulars.bootstrap.history import build_history_place
from regulars.history.service.reading import HistoryReader
from regulars.ledger.service import list_findings, list_liability, list_totals
from regulars.loyalty.reading import ProgrammeFile, read_programme_file
from regulars.loyalty.service.trying import try_programme
from regulars.platform.db import ReadTransaction
from regulars.platform.settings import Settings
from regulars.platform.tenancy import Brand

ASSET: Final = "points"
DRIVEN_SECONDS_MAX: Final = 600
TAKING_SHARE: Final = 10
STATEMENT_LINES_MIN: Final = 10
STATEMENT_MEMBERS_MAX: Final = 60
_KINDS: Final = {
    "earn": ("獲得 {} 點{}", "earned {} points{}"),
    "spend": ("使用 {} 點", "spent {} points"),
    "capture": ("使用 {} 點換贈品", "spent {} points on a reward"),
    "expire": ("{} 點到期", "{} points expired"),
    "reverse": ("更正 {} 點", "{} points corrected"),
}


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger says after all baskets, and what the dry run says should have been awarded."""

    totals: list[dict[str, Any]]
    liability: list[dict[str, Any]]
    check: dict[str, Any]
    trial: dict[str, Any]

    def sum(self, *kinds: str) -> int:
        """Points by the kind of transfer, reversals by what they undid."""
        return sum(
            int(one["amount"])
            for one in self.totals
            if one["asset"] == ASSET and (one["kind"] if one["kind"] != "reverse" else f"-{one['reverses']}") in kinds
        )


@dataclass(frozen=True, slots=True)
class Rewarded:
    """The programme, the books, one member's statement."""

    programme: ProgrammeFile
    books: Books
    taken: int
    statement: dict[str, Any] | None


def read_programme() -> ProgrammeFile:
    """As the demo puts it in force."""
    text = files("regulars.bootstrap.demo").joinpath("programme.yaml").read_text(encoding="utf-8")
    return read_programme_file(text)


def put_programme(client: Client) -> None:
    """In force before the first basket comes. Raises: ServeFailed."""
    programme = read_programme()
    client.put(f"/api/programmes/{quote(programme.name)}", programme.written)


def reward_members(client: Client, deployment: Deployment, settings: Settings, *, takes: bool) -> Rewarded:
    """Wait until all baskets have driven the programme, let rewards be taken where `takes`, and read the books.

    Raises: ServeFailed; TotalsDiffer where the ledger holds something else than the dry run says.
    """
    programme = read_programme()
    wait_until_driven(client)
    takers = [
        member_id
        for household_id, member_id in sorted(read_held(client.iter_all("/api/members", "members")).members.items())
        if household_id % TAKING_SHARE == 0
    ]
    taken = sum(_take(client, programme, member_id) for member_id in takers) if takes else 0
    books = _read_books(deployment, settings, programme)
    issued, said = books.sum("earn", "-earn"), int(books.trial["awarded"][ASSET])
    if issued != said:
        raise TotalsDiffer(f"{issued:,} points were issued, and a dry run over the history says {said:,}")
    return Rewarded(programme, books, taken, _find_statement(client, takers))


def wait_until_driven(client: Client) -> None:
    """Until no event waits. Raises: ServeFailed when that takes too long."""
    end = time.monotonic() + DRIVEN_SECONDS_MAX
    while any(one["waiting"] for one in client.get("/api/programmes")["programmes"]):
        if time.monotonic() > end:
            raise ServeFailed("events have not driven the programme in time", path="/api/programmes")
        time.sleep(0.5)


def _take(client: Client, programme: ProgrammeFile, member_id: str) -> bool:
    """Whether the member had the points: one reward, handed over at once."""
    reward = programme.programme.rewards[0]
    status, told = client.try_post(f"/api/rewards/{quote(reward.name)}/redeem", {"member": member_id})
    if status == 200:
        client.post(f"/api/redemptions/{told['id']}/confirm", {})
    elif told.get("code") != "balance.insufficient":
        raise ServeFailed(f"a reward was refused: {told}", path="/api/rewards")
    return status == 200


def _read_books(deployment: Deployment, settings: Settings, programme: ProgrammeFile) -> Books:
    history = HistoryReader(build_history_place(settings))

    async def read(tx: ReadTransaction, brand: Brand) -> Books:
        return Books(
            await list_totals(tx, brand),
            [row for row in await list_liability(tx, brand) if row["asset"] == ASSET],
            await list_findings(tx, brand),
            await try_programme(tx, history, brand, programme.programme, now=deployment.clock()),
        )

    try:
        return ask_brand(deployment, "default", read)
    finally:
        history.close()


def _find_statement(client: Client, takers: list[str]) -> dict[str, Any] | None:
    """The shortest of some members' that has something of everything, explained line by line."""
    found: list[dict[str, Any]] = []
    for member_id in takers[:STATEMENT_MEMBERS_MAX]:
        account = quote(f"member:{member_id}/{ASSET}", safe="")
        entries = client.get(f"/api/ledger/accounts/{account}/statement", limit=1_000)["entries"]
        kinds = {_kind_of(one) for one in entries}
        if len(entries) >= STATEMENT_LINES_MIN and kinds >= {"earn", "spend", "expire"}:
            balance = client.get(f"/api/ledger/accounts/{account}")["posted"]
            lines = [{**one, "kind": _kind_of(one), "sentence": _explain(one)} for one in entries]
            found.append({"member": member_id, "balance": balance, "entries": lines})
    return min(found, key=lambda one: len(one["entries"]), default=None)


def _kind_of(entry: Mapping[str, Any]) -> str:
    """A reward's points are captured from a hold: they are spent."""
    return "spend" if entry["kind"] == "capture" else str(entry["kind"])


def _explain(entry: Mapping[str, Any]) -> dict[str, str]:
    amount = f"{abs(int(entry['amount'])):,}"
    ends = {lot["expires_at"] for lot in entry["lots"] if entry["kind"] == "earn" and lot["expires_at"]}
    until = min(ends, default="")[:10]
    words = _KINDS[entry["kind"]]
    when, after = entry["at"][:10], f"{int(entry['balance_after']):,}"
    zh = words[0].format(amount, f"，{until} 到期" if until else "")
    en = words[1].format(amount, f", good until {until}" if until else "")
    return {"zh-TW": f"{when}：{zh}，餘 {after} 點。", "en": f"{when}: {en}; {after} left."}


# --- how it is told -----------------------------------------------------------------------------------------------------


def rewarded_to_json(found: Rewarded) -> dict[str, Any]:
    """What the demo's line of JSON says of it. Amounts of points as text."""
    books = found.books
    spent, expired = -books.sum("spend", "capture", "-spend", "-capture"), -books.sum("expire")
    trial = books.trial
    rules = {name: str(amount) for name, amount in trial["by_rule"][ASSET].items()}
    return {
        "loyalty": {
            "programme": found.programme.written,
            "orders": trial["events"]["Order Completed"],
            "by_rule": {**rules, "multiplier": str(trial["multiplied"][ASSET])},
            "issued": str(books.sum("earn")),
            "spent": str(spent),
            "expired": str(expired),
            "reversed": str(-books.sum("-earn")),
            "outstanding": str(sum(int(row["outstanding"]) for row in books.liability)),
            "liability": books.liability,
            "tiers": trial["tiers"],
            "movements": trial["movements"],
            "missions": trial["missions"],
            "rewards_taken": found.taken,
            "check": books.check,
            "statement": found.statement,
        }
    }


def render_rewarded(found: Rewarded) -> Iterator[str]:
    """The paragraphs."""
    told = rewarded_to_json(found)["loyalty"]
    amounts = {name: int(told[name]) for name in ("issued", "spent", "expired", "reversed", "outstanding")}
    lines = ["Points (regulars/bootstrap/demo/programme.yaml; the baskets earn, every tenth household takes a tote):"]
    lines += [f"  {name:12}{amount:>12,}" for name, amount in amounts.items()]
    lines.append("  of the issued " + ", ".join(f"{name} {int(one):,}" for name, one in told["by_rule"].items()))
    lines.append(f"  ledger check: {'the books are right' if told['check']['ok'] else told['check']['findings'][:3]}")
    yield "\n".join(lines)
    months = [f"  {row['month'] or 'no end':10}{int(row['outstanding']):>10,}" for row in told["liability"]]
    yield "\n".join(["Outstanding points by the month they expire in (regulars ledger liability):", *months])
    levels = ", ".join(f"{name} {count:,}" for name, count in told["tiers"].items())
    moves = told["movements"]
    reached = ", ".join(f"{name} {count:,} times" for name, count in told["missions"].items())
    yield f"Levels: {levels}; {moves['up']:,} moves up, {moves['down']:,} down.\nMissions reached: {reached}."
    if found.statement is not None:
        lines = [f"Every point of {found.statement['member']}, newest first (regulars ledger statement):"]
        lines += [f"  {one['sentence']['en']}" for one in found.statement["entries"]]
        yield "\n".join(lines)

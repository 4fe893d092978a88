"""Who would have got what: a programme over the whole history, without a word of it being written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from duckdb import DuckDBPyConnection

from regulars.audiences.service.saving import get_catalogue
from regulars.conditions.closures import MemberFacts
from regulars.events.happened import read_event
from regulars.events.service.items import load_item_facts
from regulars.events.vocabulary import canonical_name
from regulars.history.service.reading import HistoryReader
from regulars.kernel.ids import MemberId
from regulars.loyalty.checking import check_conditions
from regulars.loyalty.compiling import Edition
from regulars.loyalty.dates import local_day
from regulars.loyalty.folding import Folded, Mark, fold
from regulars.loyalty.model import IssueVoucher, Programme
from regulars.loyalty.service.editions import compile_for
from regulars.loyalty.service.remembering import load_members, read_properties
from regulars.loyalty.store import driving as store
from regulars.platform.db import ReadTransaction
from regulars.platform.sqlfile import load_queries
from regulars.platform.tenancy import Brand

ROWS_AT_ONCE: Final = 20_000
SQL: Final = load_queries(Path(__file__).parents[1] / "trying.sql")


@dataclass(slots=True)
class Trial:
    """Sums over all members with events that the programme looks at. Amounts by asset."""

    members: int = 0
    awarded: Counter[str] = field(default_factory=Counter[str])
    outstanding: Counter[str] = field(default_factory=Counter[str])
    tiers: Counter[str] = field(default_factory=Counter[str])
    badges: Counter[str] = field(default_factory=Counter[str])
    missions: Counter[str] = field(default_factory=Counter[str])
    vouchers: int = 0
    events: Counter[str] = field(default_factory=Counter[str])
    by_rule: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    multiplied: Counter[str] = field(default_factory=Counter[str])
    movements: Counter[str] = field(default_factory=Counter[str])

    def add(self, edition: Edition, folded: Folded, now: datetime) -> None:
        """One member's."""
        self.members += 1
        for (_, asset), award in folded.awards.items():
            self.awarded[asset] += award.amount
            rules = self.by_rule.setdefault(asset, Counter[str]())
            rules[award.rule] += award.base
            self.multiplied[asset] += award.amount - award.base
            if award.expires_at is None or award.expires_at > now:
                self.outstanding[asset] += award.amount
        for (_, asset), amount in folded.payments.items():
            self.outstanding[asset] += amount
        tiers = edition.programme.tiers
        if tiers is not None:
            self.tiers[tiers.levels[folded.standing.level].name] += 1
        self.movements.update(
            "up" if one.after > one.before else "down" for one in folded.changes if one.after != one.before
        )
        self.badges.update(folded.badges)
        self.missions.update({one.name: one.reached for one in folded.missions if one.reached})
        self.vouchers += sum(isinstance(deed.effect, IssueVoucher) for deed in folded.deeds)

    def show(self, programme: Programme) -> dict[str, Any]:
        """As JSON; amounts as the API has them."""
        paying = [name for name, asset in programme.assets.items() if asset.redeemable]
        return {
            "members": self.members,
            "awarded": {name: str(self.awarded[name]) for name in programme.assets},
            "liability": {name: str(max(self.outstanding[name], 0)) for name in paying},
            "by_rule": {name: dict(rules) for name, rules in self.by_rule.items()},
            "multiplied": dict(self.multiplied),
            "events": dict(self.events),
            "tiers": dict(self.tiers),
            "movements": {way: self.movements[way] for way in ("up", "down")},
            "badges": {badge.name: self.badges[badge.name] for badge in programme.badges},
            "missions": {mission.name: self.missions[mission.name] for mission in programme.missions},
            "vouchers": self.vouchers,
        }


async def try_programme(
    tx: ReadTransaction, history: HistoryReader, brand: Brand, programme: Programme, *, now: datetime
) -> dict[str, Any]:
    """As if it had been in force from the beginning. Points that paid orders are drawn where the fold itself has them.

    Raises: ConditionError.
    """
    check_conditions(programme, await get_catalogue(tx, brand))
    edition = await compile_for(tx, brand, programme, now=now)
    people = {row[0]: (MemberId(row[1]), row[2]) for row in await store.list_people(tx, brand.brand_id)}
    members = await load_members(tx, brand.brand_id, [one for one, _ in people.values()]) if edition.asks_member else {}
    items = await load_item_facts(tx, brand, None) if edition.asks_items else {}
    trial = Trial()

    def run(connection: DuckDBPyConnection) -> None:
        for number, rows in groupby(_read_rows(connection, sorted(edition.names), now), key=itemgetter(0)):
            if number not in people:
                continue
            member_id, joined_at = people[number]
            facts = members.get(member_id, MemberFacts(member_id))
            marks = [
                Mark(
                    seq, read_event(name, read_properties(properties, with_lines=edition.asks_lines), at, items), facts
                )
                for _, seq, name, at, properties in rows
            ]
            trial.events.update(canonical_name(mark.facts.name) for mark in marks)
            joined_on = local_day(joined_at, brand.time_zone)
            trial.add(edition, _fold_paying(edition, marks, joined_on, now), now)

    async with history.open_snapshot(tx, brand.brand_id) as snapshot:
        await snapshot.run(run)
    return trial.show(programme)


def _read_rows(connection: DuckDBPyConnection, names: Sequence[str], now: datetime) -> Iterator[tuple[Any, ...]]:
    found = connection.execute(SQL["list_events"], {"names": list(names), "now": now})
    while rows := found.fetchmany(ROWS_AT_ONCE):
        yield from rows


def _fold_paying(edition: Edition, marks: Sequence[Mark], joined_on: date, now: datetime) -> Folded:
    paid: dict[str, bool] = {}
    while (folded := fold([edition], marks, paid, joined_on, now)).unpaid is not None:
        asked = folded.unpaid
        have = sum(
            award.amount
            for key, award in folded.awards.items()
            if key.asset == asked.asset and (award.expires_at is None or award.expires_at > asked.at)
        )
        have += sum(amount for key, amount in folded.payments.items() if key.asset == asked.asset)
        paid[asked.key] = have >= asked.amount
    return folded

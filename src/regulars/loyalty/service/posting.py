"""From what should be to what the ledger holds: only the difference is posted, in the transaction of whoever asks.

more than there is      another transfer, with the same end
less than there is      reversed, as far as the programme's policy of returns goes; what is not there is written off
another end             the lots are dated anew; what had expired meanwhile comes back from breakage
a payment of an order   drawn as of the order's time; given back to the lots it came from
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid5

import structlog

from regulars.kernel.ids import BrandId, MemberId
from regulars.ledger.model import Line, Outcome, Result, ReversalPolicy, Transfer
from regulars.ledger.service import Holders, lock_accounts, post_transfers, redate, reverse_transfer
from regulars.loyalty.folding import Award, AwardKey, Folded, Payment
from regulars.loyalty.model import Name
from regulars.loyalty.store import driving as store
from regulars.loyalty.store.driving import AwardRow
from regulars.members.service.reading import member_text
from regulars.platform.db import WriteTransaction

NAMESPACE: Final = UUID("7b0f6f7e-6a55-4d7b-9a3c-0d6a1f7f5d11")
TRANSFERS_AT_ONCE: Final = 1_000

log = structlog.get_logger("loyalty")


class Owed(NamedTuple):
    """A member in force, it and who was merged into it, and what should be."""

    member_id: MemberId
    family: Sequence[MemberId]
    folded: Folded


class _Credit(NamedTuple):
    """A transfer that is to be posted, for which award, and how much of it is more than was awarded."""

    transfer: Transfer
    member_id: MemberId
    key: AwardKey
    more: int


@dataclass(slots=True)
class Poster:
    """The difference of many members of one programme, posted together.

    `held`: what the ledger holds, by whose account it is in: what was awarded before a merge stays in the account that it
    was awarded to, and is corrected there.
    """

    tx: WriteTransaction
    brand_id: BrandId
    holders: Holders
    programme: str
    policy: ReversalPolicy
    now: datetime
    held: dict[MemberId, dict[AwardKey, AwardRow]]
    _changed: set[tuple[MemberId, AwardKey]] = field(default_factory=set[tuple[MemberId, AwardKey]])
    _credits: list[_Credit] = field(default_factory=list[_Credit])
    has_expired: bool = False
    """Whether something was awarded, or dated anew, for a time that is over: the ledger is to be swept."""

    async def lock(self, owed: Sequence[Owed]) -> None:
        """The accounts that may be posted to, before any is."""
        asked: set[str] = set()
        for member_id, family, folded in owed:
            assets = {key.asset for key in (*folded.awards, *folded.payments)}
            assets |= {one.asset for one in (folded.unpaid,) if one is not None}
            asked |= {account_of(member_id, asset) for asset in assets}
            asked |= {account_of(one, key.asset) for one in family for key in self.held.get(one, ())}
        if asked:
            await lock_accounts(self.tx, self.brand_id, self.holders, sorted(asked))

    async def post(self, owed: Sequence[Owed]) -> None:
        """What is new and what differs. Of a fold that waits for a payment, what is new until then."""
        for one in owed:
            held, twice = self._find_held(one)
            if one.folded.unpaid is None:
                await self._take_back(one.folded, held, twice)
            for key, award in one.folded.awards.items():
                if key not in held:
                    new = AwardRow(one.member_id, key.key, key.asset, 0, award.expires_at, 0, [], [])
                    self._credit(new, award, award.amount)
                elif one.folded.unpaid is None:
                    await self._settle(held[key], award)
        await self._flush()

    def _find_held(self, owed: Owed) -> tuple[dict[AwardKey, AwardRow], list[AwardRow]]:
        """What is held for each key, and what is held for it a second time, by somebody who was merged."""
        held: dict[AwardKey, AwardRow] = {}
        twice: list[AwardRow] = []
        for member_id in sorted(owed.family, key=lambda one: one != owed.member_id):
            for key, row in self.held.get(member_id, {}).items():
                if key in held:
                    twice.append(row)
                else:
                    held[key] = row
        return held, twice

    async def _take_back(self, folded: Folded, held: dict[AwardKey, AwardRow], twice: Sequence[AwardRow]) -> None:
        gone = [row for key, row in held.items() if key not in folded.awards and key not in folded.payments]
        for row in (*gone, *twice):
            await self._shrink(row, 0)
        for key, amount in folded.payments.items():
            if key in held and held[key].amount < amount:
                await self._shrink(held[key], amount)

    async def pay(self, member_id: MemberId, payment: Payment) -> int:
        """Draw what an order is paid with, as of its time; how much that was, all or nothing."""
        asset = payment.asset
        transfer = Transfer(
            self._id(AwardRow(member_id, payment.key, asset, 0, None, 0, [], [])),
            "spend",
            (
                Line(account_of(member_id, asset), -payment.amount),
                Line(f"issuer/{asset}", payment.amount),
            ),
            {"programme": self.programme, "for": payment.key},
            payment.at,
        )
        at = min(payment.at, self.now)
        (outcome,) = await post_transfers(self.tx, self.brand_id, self.holders, [transfer], at=at)
        drawn = payment.amount if outcome.result in (Result.CREATED, Result.EXISTS) else 0
        transfers, amounts = ([transfer.id], [drawn]) if drawn else ([], [])
        self._keep(AwardRow(member_id, payment.key, asset, -drawn, None, 1, transfers, amounts))
        return drawn

    async def _settle(self, row: AwardRow, award: Award) -> None:
        if row.expires_at != award.expires_at:
            row = await self._redate(row, award)
        if award.amount > row.amount:
            self._credit(row, award, award.amount - row.amount)
        elif award.amount < row.amount:
            await self._shrink(row, award.amount)

    def _credit(self, row: AwardRow, award: Award, more: int, *, is_back: bool = False) -> None:
        """Another transfer for the key: so many points more, or back from breakage."""
        funder = f":{award.funder}" if award.funder else ""
        source = f"breakage{funder}" if is_back else "issuer"
        to = Line(account_of(row.member_id, row.asset), more, expires_at=award.expires_at, funder=award.funder)
        transfer = Transfer(
            self._id(row),
            "restore" if is_back else "earn",
            (Line(f"{source}/{row.asset}", -more), to),
            {"programme": self.programme, "rule": award.rule, "for": row.key},
            award.at,
        )
        key = AwardKey(row.key, Name(row.asset))
        self._credits.append(_Credit(transfer, row.member_id, key, 0 if is_back else more))
        self.has_expired |= award.expires_at is not None and award.expires_at <= self.now
        self._keep(
            row._replace(
                amount=row.amount if is_back else row.amount + more,
                revision=row.revision + 1,
                transfers=[*row.transfers, transfer.id],
                amounts=[*row.amounts, more],
            )
        )

    async def _redate(self, row: AwardRow, award: Award) -> AwardRow:
        await self._flush()
        back = await redate(self.tx, self.brand_id, row.transfers, award.expires_at)
        self.has_expired |= award.expires_at is not None and award.expires_at <= self.now
        self._keep(row._replace(expires_at=award.expires_at))
        if back:
            self._credit(self._held(row), award, back, is_back=True)
        return self._held(row)

    async def _shrink(self, row: AwardRow, amount: int) -> None:
        """Take back, newest first, what is too much; of a payment give back. What has expired is gone already."""
        if row.amount == amount:
            return
        await self._flush()
        row = self._held(row)
        has_expired = row.amount > 0 and row.expires_at is not None and row.expires_at <= self.now
        policy = self.policy if row.amount > 0 else ReversalPolicy.WITHIN_BALANCE
        too_much = abs(row.amount) - abs(amount)
        amounts = list(row.amounts)
        for at in reversed(range(len(row.transfers))):
            part = min(too_much, amounts[at])
            if part and not has_expired:
                original, reversal = row.transfers[at], self._id(row)
                await reverse_transfer(self.tx, self.brand_id, original, reversal, amount=part, policy=policy)
                row = row._replace(revision=row.revision + 1)
            amounts[at] -= part
            too_much -= part
        self._keep(row._replace(amount=amount, amounts=amounts))

    def _held(self, row: AwardRow) -> AwardRow:
        return self.held[row.member_id][AwardKey(row.key, Name(row.asset))]

    def _keep(self, row: AwardRow) -> None:
        key = AwardKey(row.key, Name(row.asset))
        self.held.setdefault(row.member_id, {})[key] = row
        self._changed.add((row.member_id, key))

    async def _flush(self) -> None:
        for start in range(0, len(self._credits), TRANSFERS_AT_ONCE):
            batch = self._credits[start : start + TRANSFERS_AT_ONCE]
            outcomes = await post_transfers(self.tx, self.brand_id, self.holders, [one.transfer for one in batch])
            for one, outcome in zip(batch, outcomes, strict=True):
                if outcome.result not in (Result.CREATED, Result.EXISTS):
                    self._forget(one, outcome)
        self._credits.clear()

    def _forget(self, refused: _Credit, outcome: Outcome) -> None:
        """The account is closed, or a limit or cap stands against it: nobody else waits, and the next fold asks again."""
        account = account_of(refused.member_id, refused.key.asset)
        log.warning("an award was refused", brand=self.brand_id, account=account, code=outcome.code)
        row = self.held[refused.member_id][refused.key]
        at = row.transfers.index(refused.transfer.id)
        self._keep(
            row._replace(
                amount=row.amount - refused.more,
                transfers=[*row.transfers[:at], *row.transfers[at + 1 :]],
                amounts=[*row.amounts[:at], *row.amounts[at + 1 :]],
            )
        )

    async def end(self) -> None:
        """Keep what the ledger holds now."""
        if self._changed:
            rows = [self.held[member_id][key] for member_id, key in sorted(self._changed)]
            await store.put_awards(self.tx, self.brand_id, self.programme, rows)

    def _id(self, row: AwardRow) -> UUID:
        """The same for the same award, whoever posts it."""
        name = f"{self.brand_id}/{self.programme}/{row.member_id}/{row.key}/{row.asset}/{row.revision}"
        return uuid5(NAMESPACE, name)


def account_of(member_id: MemberId, asset: str) -> str:
    """The member's account of an asset."""
    return f"member:{member_text(member_id)}/{asset}"

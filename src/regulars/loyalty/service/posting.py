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

from regulars.kernel.ids import BrandId, MemberId
from regulars.ledger.model import Line, Result, ReversalPolicy, Transfer
from regulars.ledger.service import Holders, lock_accounts, post_transfers, redate, reverse_transfer, sweep
from regulars.loyalty.errors import AwardRefused
from regulars.loyalty.folding import Award, AwardKey, Folded, Payment
from regulars.loyalty.model import Name
from regulars.loyalty.store import driving as store
from regulars.loyalty.store.driving import AwardRow
from regulars.members.service.reading import member_text
from regulars.platform.db import WriteTransaction

NAMESPACE: Final = UUID("7b0f6f7e-6a55-4d7b-9a3c-0d6a1f7f5d11")
TRANSFERS_AT_ONCE: Final = 1_000


class Owed(NamedTuple):
    """A member and what should be."""

    member_id: MemberId
    folded: Folded


@dataclass(slots=True)
class Poster:
    """The difference of many members of one programme, posted together."""

    tx: WriteTransaction
    brand_id: BrandId
    holders: Holders
    programme: str
    policy: ReversalPolicy
    now: datetime
    held: dict[MemberId, dict[AwardKey, AwardRow]]
    _changed: set[tuple[MemberId, AwardKey]] = field(default_factory=set[tuple[MemberId, AwardKey]])
    _transfers: list[Transfer] = field(default_factory=list[Transfer])
    _has_expired: bool = False

    async def lock(self, owed: Sequence[Owed]) -> None:
        """The accounts that may be posted to, before any is."""
        asked: set[str] = set()
        for member_id, folded in owed:
            keys = (*folded.awards, *folded.payments, *self.held.get(member_id, ()))
            assets = {key.asset for key in keys} | {one.asset for one in (folded.unpaid,) if one is not None}
            asked |= {account_of(member_id, asset) for asset in assets}
        if asked:
            await lock_accounts(self.tx, self.brand_id, self.holders, sorted(asked))

    async def post(self, owed: Sequence[Owed]) -> None:
        """What is new and what differs. Of a fold that waits for a payment, what is new until then."""
        for member_id, folded in owed:
            held = self.held.setdefault(member_id, {})
            if folded.unpaid is None:
                for key in [key for key in held if key not in folded.awards and key not in folded.payments]:
                    await self._shrink(held[key], 0)
                for key, amount in folded.payments.items():
                    if key in held and held[key].amount < amount:
                        await self._shrink(held[key], amount)
            for key, award in folded.awards.items():
                if key not in held:
                    new = AwardRow(member_id, key.key, key.asset, 0, award.expires_at, 0, [], [])
                    self._credit(new, award, award.amount)
                elif folded.unpaid is None:
                    await self._settle(held[key], award)
        await self._flush()

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
        self._transfers.append(transfer)
        self._has_expired |= award.expires_at is not None and award.expires_at <= self.now
        self._keep(
            row._replace(
                amount=row.amount if is_back else row.amount + more,
                revision=row.revision + 1,
                transfers=[*row.transfers, transfer.id],
                amounts=[*row.amounts, more],
            )
        )

    async def _redate(self, row: AwardRow, award: Award) -> AwardRow:
        back = await redate(self.tx, self.brand_id, row.transfers, award.expires_at)
        self._has_expired |= award.expires_at is not None and award.expires_at <= self.now
        self._keep(row._replace(expires_at=award.expires_at))
        if back:
            self._credit(self._held(row), award, back, is_back=True)
        return self._held(row)

    async def _shrink(self, row: AwardRow, amount: int) -> None:
        """Take back, newest first, what is too much; of a payment give back. What has expired is gone already."""
        await self._flush()
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
        for start in range(0, len(self._transfers), TRANSFERS_AT_ONCE):
            batch = self._transfers[start : start + TRANSFERS_AT_ONCE]
            outcomes = await post_transfers(self.tx, self.brand_id, self.holders, batch)
            bad = next((one for one in outcomes if one.result not in (Result.CREATED, Result.EXISTS)), None)
            if bad is not None:
                raise AwardRefused(f"{bad.path}: {bad.message}")
        self._transfers.clear()

    async def end(self) -> None:
        """Keep what the ledger holds now, and post as expired what was awarded for a time that is over."""
        if self._changed:
            rows = [self.held[member_id][key] for member_id, key in sorted(self._changed)]
            await store.put_awards(self.tx, self.brand_id, self.programme, rows)
        if self._has_expired:
            while await sweep(self.tx, self.brand_id):
                pass

    def _id(self, row: AwardRow) -> UUID:
        """The same for the same award, whoever posts it."""
        name = f"{self.brand_id}/{self.programme}/{row.member_id}/{row.key}/{row.asset}/{row.revision}"
        return uuid5(NAMESPACE, name)


def account_of(member_id: MemberId, asset: str) -> str:
    """The member's account of an asset."""
    return f"member:{member_text(member_id)}/{asset}"

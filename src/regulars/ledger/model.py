"""Accounts, transfers and what becomes of them. Amounts are whole minor units of their asset.

An account is named `HOLDER/ASSET`; a holder is a kind, or a kind and whose: `issuer/points`, `member:m42/points`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

AMOUNT_MAX: Final = 2**63 - 1
NAME_CHARACTERS_MAX: Final = 200
ASSET_CODE: Final = re.compile(r"[a-z](?:[a-z0-9_-]{0,38}[a-z0-9])?")


class Keeps(StrEnum):
    """What an account keeps beside its entries: nothing (no row to fight over), a balance with a floor, or lots."""

    ENTRIES = "entries"
    BALANCE = "balance"
    LOTS = "lots"


HOLDERS: Final[Mapping[str, tuple[Keeps, bool]]] = {
    "issuer": (Keeps.ENTRIES, False),
    "breakage": (Keeps.ENTRIES, False),
    "fees": (Keeps.ENTRIES, False),
    "receivable": (Keeps.ENTRIES, True),
    "payable": (Keeps.ENTRIES, True),
    "budget": (Keeps.BALANCE, True),
    "member": (Keeps.LOTS, True),
}
"""What accounts of a kind of holder keep, and whether the name must say whose they are."""


class Result(StrEnum):
    """What became of one transfer. Only `created` moved anything, and only it and `exists` mean that it stands."""

    CREATED = "created"
    EXISTS = "exists"
    CONFLICT = "conflict"
    REFUSED = "refused"


TOLD: Final[Mapping[str, str]] = {
    "account.closed": "one of the accounts is closed",
    "account.unknown": "no such account: its holder or its asset is not there",
    "asset.not_transferable": "purchased value goes from member to member only where its asset is licensed",
    "asset.unknown": "the brand has no such asset",
    "balance.insufficient": "the account has less than that to spend",
    "balance.over_cap": "the account may not hold so much",
    "hold.exceeded": "more is to be captured than is held",
    "hold.not_held": "of this account nothing can be held: it keeps no balance",
    "hold.expired": "the hold's time is over",
    "limit.exceeded": "a limit of the account would be passed",
    "limit.review": "a limit of the account would be passed: somebody has to look at it",
    "limit.step_up": "a limit of the account would be passed: ask the holder to prove more, and say what is known then",
    "transfer.already_reversed": "all of it has been reversed",
    "transfer.is_reversal": "a reversal is not reversed: post it again",
    "transfer.not_divisible": "a part can be reversed of a transfer with two lines only",
    "transfer.reverses_too_much": "less of it is left to be reversed",
}
"""What a refusal's code means, in a sentence's words."""


class ReversalPolicy(StrEnum):
    """What of a credit may be taken back where it was spent: only what cannot be used yet, what is there, or all of it."""

    PENDING_ONLY = "pending_only"
    WITHIN_BALANCE = "within_balance"
    ALLOW_NEGATIVE = "allow_negative"


@dataclass(frozen=True, slots=True)
class AccountName:
    """`member:m42/points`: kind `member`, whose `m42`, asset `points`."""

    kind: str
    whose: str | None
    asset: str

    @property
    def text(self) -> str:
        return f"{self.kind}{f':{self.whose}' if self.whose else ''}/{self.asset}"

    @property
    def keeps(self) -> Keeps:
        return HOLDERS[self.kind][0]


def parse_account(text: str) -> AccountName | None:
    """None where the text names no account there could be."""
    holder, slash, asset = text.rpartition("/")
    kind, colon, whose = holder.partition(":")
    known = HOLDERS.get(kind)
    if not slash or known is None or len(text) > NAME_CHARACTERS_MAX or not ASSET_CODE.fullmatch(asset):
        return None
    if bool(colon) != bool(whose) or (known[1] and not whose) or not whose.isprintable() or "/" in whose:
        return None
    return AccountName(kind, whose or None, asset)


@dataclass(frozen=True, slots=True)
class Line:
    """What one account gives (negative) or receives. Lots that it receives are usable and expire as said, null: at once, never."""

    account: str
    amount: int
    usable_at: datetime | None = None
    expires_at: datetime | None = None
    funder: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """One balanced movement; `id` is the caller's and for ever. `effective_at`: when it happened, if not now."""

    id: UUID
    kind: str
    lines: tuple[Line, ...]
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])
    effective_at: datetime | None = None

    def body(self) -> bytes:
        """What was asked, as bytes that are kept: JSON with sorted keys, without the id."""
        lines = [
            {
                "account": line.account,
                "amount": str(line.amount),
                **({"usable_at": line.usable_at} if line.usable_at else {}),
                **({"expires_at": line.expires_at} if line.expires_at else {}),
                **({"funder": line.funder} if line.funder else {}),
            }
            for line in self.lines
        ]
        meta = {"meta": self.meta} if self.meta else {}
        at = {"effective_at": self.effective_at} if self.effective_at else {}
        return encode_body({"kind": self.kind, "lines": lines, **meta, **at})


@dataclass(frozen=True, slots=True)
class Outcome:
    """A transfer's result; of a refused one the code, and where in it and why.

    `limit`: whose it would have passed; `hold`: under which it waits until that is reviewed.
    """

    id: str
    result: Result
    code: str | None = None
    path: str | None = None
    message: str | None = None
    limit: str | None = None
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to become of an account's terms; None: it stays. Amounts are minor units."""

    floor: int | None
    cap: int | None
    is_uncapped: bool
    is_closed: bool | None
    knowledge: str | None

    @property
    def is_of_balance(self) -> bool:
        """Says more than whether the account is closed."""
        return self.is_uncapped or (self.floor, self.cap, self.knowledge) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Limit:
    """How much, or how often, a member's account may give (`out`) or receive (`in`) within `per`; None: each transfer by itself.

    `is_of_new_payees`: of what goes to (comes from) members with whom it had not dealt before. `knowledge`: of accounts of
    whose holder this is known; None: of all. `then`: what becomes of a transfer that would pass it.
    """

    name: str
    asset: str
    direction: str
    per: timedelta | None
    amount_max: int | None
    count_max: int | None
    is_of_new_payees: bool
    knowledge: str | None
    then: str


def encode_body(value: Mapping[str, Any]) -> bytes:
    """The bytes of a request: equal requests give equal bytes."""
    return msgspec.json.encode(value, order="deterministic")


def hash_body(body: bytes) -> bytes:
    """SHA-256: 32 bytes."""
    return hashlib.sha256(body).digest()


def find_unbalanced(lines: Sequence[Line]) -> str | None:
    """The first asset whose lines do not sum to zero."""
    sums: dict[str, int] = {}
    for line in lines:
        asset = line.account.rpartition("/")[2]
        sums[asset] = sums.get(asset, 0) + line.amount
    return next((asset for asset, total in sums.items() if total), None)

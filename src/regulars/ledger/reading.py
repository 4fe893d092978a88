"""What is asked of the ledger, read and checked: each transfer by itself, so that one bad one refuses no other."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

import msgspec

from regulars.kernel.durations import DurationInvalid, parse_duration
from regulars.ledger.errors import AccountInvalid, LimitInvalid, TransferInvalid
from regulars.ledger.model import (
    AMOUNT_MAX,
    ASSET_CODE,
    Limit,
    Line,
    Outcome,
    Result,
    Terms,
    Transfer,
    find_unbalanced,
    parse_account,
)

TRANSFERS_MAX: Final = 1_000
LINES_MAX: Final = 100
META_BYTES_MAX: Final = 4_096
KIND_CHARACTERS_MAX: Final = 40
LIMIT_NAME_CHARACTERS_MAX: Final = 100
COUNT_MAX: Final = 2**31 - 1
_AMOUNT: Final = re.compile(r"-?[1-9][0-9]{0,18}")
_LINE_FIELDS: Final = frozenset({"account", "amount", "usable_at", "expires_at", "funder"})
_FIELDS: Final = frozenset({"id", "kind", "lines", "meta"})


def _as_object(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _as_list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


class _Refused(Exception):
    def __init__(self, code: str, path: str, message: str) -> None:
        super().__init__(message)
        self.code, self.path, self.message = code, path, message


def read_transfers(body: object) -> list[Transfer | Outcome]:
    """Of each asked transfer itself, or why it is refused. Raises: TransferInvalid where there is no list of them."""
    asked = _as_list((_as_object(body) or {}).get("transfers"))
    if asked is None:
        raise TransferInvalid("transfers must be a list of transfers", path="/transfers")
    if not 1 <= len(asked) <= TRANSFERS_MAX:
        raise TransferInvalid(
            f"a request has 1 to {TRANSFERS_MAX:,} transfers, this one {len(asked):,}", path="/transfers"
        )
    return [_read(one, f"/transfers/{place}") for place, one in enumerate(asked)]


def _read(asked: object, path: str) -> Transfer | Outcome:
    known_id = (_as_object(asked) or {}).get("id")
    try:
        return _read_transfer(asked, path)
    except _Refused as refused:
        shown = known_id if isinstance(known_id, str) else ""
        return Outcome(shown[:100], Result.REFUSED, refused.code, refused.path, refused.message)


def _read_transfer(value: object, path: str) -> Transfer:
    asked = _as_object(value)
    if asked is None:
        raise _Refused("transfer.invalid", path, "a transfer is an object with id, kind and lines")
    if unknown := sorted(set(asked) - _FIELDS):
        raise _Refused("transfer.invalid", f"{path}/{unknown[0]}", f"a transfer has no {unknown[0]!r}")
    transfer_id = read_id(asked.get("id"))
    if transfer_id is None:
        raise _Refused("transfer.invalid", f"{path}/id", "id must be a UUID; it makes a retry safe")
    kind = asked.get("kind")
    if not isinstance(kind, str) or not 1 <= len(kind) <= KIND_CHARACTERS_MAX or "\0" in kind:
        raise _Refused(
            "transfer.invalid", f"{path}/kind", f"kind must be a text of 1 to {KIND_CHARACTERS_MAX} characters"
        )
    meta = _as_object(asked.get("meta", {}))
    if meta is None or len(msgspec.json.encode(meta)) > META_BYTES_MAX:
        said = f"meta must be an object of at most {META_BYTES_MAX:,} bytes"
        raise _Refused("transfer.invalid", f"{path}/meta", said)
    return Transfer(transfer_id, kind, _read_lines(asked, path), meta)


def _read_lines(asked: Mapping[str, Any], path: str) -> tuple[Line, ...]:
    lines = _as_list(asked.get("lines")) or []
    if not 2 <= len(lines) <= LINES_MAX:
        raise _Refused("transfer.lines", f"{path}/lines", f"a transfer has 2 to {LINES_MAX} lines")
    read = tuple(_read_line(one, f"{path}/lines/{place}") for place, one in enumerate(lines))
    seen: set[str] = set()
    for place, line in enumerate(read):
        if line.account in seen:
            raise _Refused(
                "transfer.account_twice", f"{path}/lines/{place}/account", f"{line.account!r} has a line already"
            )
        seen.add(line.account)
    if asset := find_unbalanced(read):
        total = sum(line.amount for line in read if line.account.endswith(f"/{asset}"))
        raise _Refused("transfer.unbalanced", f"{path}/lines", f"the lines of {asset!r} sum to {total}, not to 0")
    if sum(line.amount for line in read if line.amount > 0) > AMOUNT_MAX:
        raise _Refused("amount.invalid", f"{path}/lines", "what the lines give is 2^63 or more together")
    return read


def _read_line(value: object, path: str) -> Line:
    asked = _as_object(value)
    if asked is None:
        raise _Refused("transfer.invalid", path, "a line is an object with account and amount")
    if unknown := sorted(set(asked) - _LINE_FIELDS):
        raise _Refused("transfer.invalid", f"{path}/{unknown[0]}", f"a line has no {unknown[0]!r}")
    account = asked.get("account")
    name = parse_account(account) if isinstance(account, str) else None
    if name is None:
        said = "account must be HOLDER/ASSET, as in issuer/points or member:m42/points"
        raise _Refused("account.unknown", f"{path}/account", said)
    amount = _read_amount(asked.get("amount"))
    if amount is None:
        said = 'amount must be a text of whole minor units, not zero and below 2^63, as in "-300"'
        raise _Refused("amount.invalid", f"{path}/amount", said)
    usable_at = _read_instant(asked, "usable_at", path)
    expires_at = _read_instant(asked, "expires_at", path)
    if usable_at and expires_at and expires_at <= usable_at:
        raise _Refused("transfer.invalid", f"{path}/expires_at", "expires_at must be after usable_at")
    funder = asked.get("funder")
    if funder is not None and (
        not isinstance(funder, str) or not 1 <= len(funder) <= 100 or not funder.isprintable() or "/" in funder
    ):
        raise _Refused(
            "transfer.invalid", f"{path}/funder", "funder must be a text of 1 to 100 characters without a slash"
        )
    return Line(name.text, amount, usable_at, expires_at, funder)


def _read_instant(asked: Mapping[str, Any], name: str, path: str) -> datetime | None:
    text = asked.get(name)
    if text is None:
        return None
    at = read_instant(text)
    if at is None:
        raise _Refused("transfer.invalid", f"{path}/{name}", f"{name} must be an instant as in 2027-03-31T16:00:00Z")
    return at


def read_id(text: object) -> UUID | None:
    """A UUID in its usual spelling."""
    if not isinstance(text, str) or len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def read_instant(text: object) -> datetime | None:
    """An instant with its offset from UTC."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at.astimezone(UTC) if at is not None and at.tzinfo is not None and 1 < at.year < 9_999 else None


def _read_amount(text: object) -> int | None:
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        return None
    amount = int(text)
    return amount if -AMOUNT_MAX <= amount <= AMOUNT_MAX else None


def _read_minor(text: str, name: str, error: type[AccountInvalid] | type[LimitInvalid]) -> int:
    amount = 0 if text == "0" else _read_amount(text)
    if amount is None:
        raise error(f'{name} must be a text of whole minor units, as in "300"', path=f"/{name}")
    return amount


class TermsBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be said of an account; what is left out stays."""

    floor: str | msgspec.UnsetType = msgspec.UNSET
    cap: str | msgspec.UnsetType | None = msgspec.UNSET
    closed: bool | msgspec.UnsetType = msgspec.UNSET
    knowledge: str | msgspec.UnsetType = msgspec.UNSET


def read_terms(body: TermsBody) -> Terms:
    """Raises: AccountInvalid."""
    floor = body.floor if isinstance(body.floor, str) else None
    cap = body.cap if isinstance(body.cap, str) else None
    knowledge = body.knowledge if isinstance(body.knowledge, str) else None
    if knowledge is not None:
        _check_knowledge(knowledge, AccountInvalid)
    return Terms(
        floor=None if floor is None else _read_minor(floor, "floor", AccountInvalid),
        cap=None if cap is None else _read_minor(cap, "cap", AccountInvalid),
        is_uncapped=body.cap is None,
        is_closed=body.closed if isinstance(body.closed, bool) else None,
        knowledge=knowledge,
    )


def _check_knowledge(text: str, error: type[AccountInvalid] | type[LimitInvalid]) -> None:
    if not ASSET_CODE.fullmatch(text):
        said = "knowledge is small letters, digits, - and _, a letter first and no sign last, 40 in all"
        raise error(said, path="/knowledge", suggestion="verified")


class LimitBody(msgspec.Struct, forbid_unknown_fields=True):
    """How much or how often may be moved, and what becomes of a transfer that would be more."""

    asset: str
    direction: Literal["in", "out"]
    per: str | None = None
    most: str | None = None
    count: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] | None = None
    payee: Literal["new"] | None = None
    knowledge: str | None = None
    then: Literal["refuse", "step_up", "review"] = "refuse"


def read_limit(name: str, body: LimitBody) -> Limit:
    """Raises: LimitInvalid."""
    if not 1 <= len(name) <= LIMIT_NAME_CHARACTERS_MAX or "/" in name or not name.isprintable():
        raise LimitInvalid(f"a limit's name has 1 to {LIMIT_NAME_CHARACTERS_MAX} characters, no slash", path="name")
    most = None if body.most is None else _read_minor(body.most, "most", LimitInvalid)
    if most is not None and most < 0:
        raise LimitInvalid("most must not be below zero", path="/most")
    if most is None and body.count is None:
        raise LimitInvalid("a limit says how much (most) or how often (count)", path="/most")
    if body.count is not None and body.per is None:
        raise LimitInvalid("count needs per: how often within what time", path="/per", suggestion="1d")
    if body.knowledge is not None:
        _check_knowledge(body.knowledge, LimitInvalid)
    try:
        per = None if body.per is None else parse_duration(body.per)
    except DurationInvalid as error:
        raise LimitInvalid(f"per: {error}", path="/per", suggestion="1d") from error
    is_of_new = body.payee == "new"
    return Limit(name, body.asset, body.direction, per, most, body.count, is_of_new, body.knowledge, body.then)


def read_positive(body: Mapping[str, Any], name: str) -> int:
    """A positive amount of a body. Raises: TransferInvalid."""
    amount = _read_amount(body.get(name))
    if amount is None or amount < 0:
        raise TransferInvalid(f'{name} must be a text of whole minor units above zero, as in "300"', path=f"/{name}")
    return amount

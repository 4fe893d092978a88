"""What is done with the ledger: assets, posting, holds, reversals; and what it says of its accounts and of itself."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

from psycopg.rows import TupleRow

from regulars.kernel.clock import instant_text
from regulars.kernel.ids import BrandId
from regulars.ledger import store
from regulars.ledger.errors import (
    AccountUnknown,
    AssetInvalid,
    HoldEnded,
    HoldExceeded,
    HoldExpired,
    HoldNotDivisible,
    HoldUnknown,
    TransferInvalid,
    TransferUnknown,
)
from regulars.ledger.exporting import Posted
from regulars.ledger.model import (
    ASSET_CODE,
    TOLD,
    AccountName,
    Keeps,
    Outcome,
    Result,
    ReversalPolicy,
    Transfer,
    encode_body,
    parse_account,
)
from regulars.ledger.reading import read_id, read_instant, read_positive, read_transfers
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

FINDINGS_MAX: Final = 1_000
SWEPT_MAX: Final = 1_000
POSTED_PAGE: Final = 10_000
HOLD_SECONDS: Final = 900
SCALE_MAX: Final = 8


class Holders(Protocol):
    """Who there is to hold accounts: bootstrap knows."""

    async def list_in_force(
        self, tx: ReadTransaction, brand_id: BrandId, kind: str, whose: Collection[str]
    ) -> dict[str, str]:
        """Of these holders of a kind those that there are, each with who it is now: another, where it was joined to it."""
        ...


# --- assets -------------------------------------------------------------------------------------------------------------


async def put_asset(tx: WriteTransaction, brand: Brand, code: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make an asset, or say again what it is. Raises: AssetInvalid."""
    _check_code(code, "/code")
    if unknown := sorted(set(body) - {"scale", "funded", "licensed"}):
        raise AssetInvalid(
            f"an asset has no {unknown[0]!r}", path=f"/{unknown[0]}", suggestion="scale, funded, licensed"
        )
    scale, funded, licensed = body.get("scale", 0), body.get("funded", "granted"), body.get("licensed", False)
    if type(scale) is not int or not 0 <= scale <= SCALE_MAX:
        raise AssetInvalid(f"scale must be a whole number from 0 to {SCALE_MAX}", path="/scale")
    if funded not in ("granted", "purchased"):
        raise AssetInvalid("funded must be granted or purchased", path="/funded", suggestion="granted")
    if type(licensed) is not bool:
        raise AssetInvalid("licensed must be true or false", path="/licensed")
    if not await store.put_asset(tx, brand.brand_id, code, scale=scale, funded=funded, is_licensed=licensed):
        said = f"{code!r} is there with another scale or funding, and stays so: entries were made in it"
        raise AssetInvalid(said, path="/scale")
    return {"code": code, "scale": scale, "funded": funded, "licensed": licensed}


async def ensure_assets(tx: WriteTransaction, brand: Brand, codes: Sequence[str]) -> None:
    """Assets of whole points where there are none of these codes; those that are there stay as they are.

    Raises: AssetInvalid, the place being the code's own below /assets.
    """
    for code in codes:
        _check_code(code, f"/assets/{code}")
    await store.ensure_assets(tx, brand.brand_id, codes)


def _check_code(code: str, path: str) -> None:
    if not ASSET_CODE.fullmatch(code):
        said = f"{code[:60]!r}: an asset's code is small letters, digits, - and _, a letter first and no sign last, 40 in all"
        raise AssetInvalid(said, path=path, suggestion="points")


async def list_assets(tx: ReadTransaction, brand: Brand) -> list[dict[str, Any]]:
    """What points and money the brand has."""
    rows = await store.list_assets(tx, brand.brand_id)
    return [{"code": row[0], "scale": row[1], "funded": row[2], "licensed": row[3]} for row in rows]


# --- posting ------------------------------------------------------------------------------------------------------------


async def post_asked(tx: WriteTransaction, brand: Brand, holders: Holders, body: object) -> list[Outcome]:
    """Post what a request asks for; one outcome a transfer, in order. Raises: TransferInvalid."""
    read = read_transfers(body)
    good = {place: one for place, one in enumerate(read) if isinstance(one, Transfer)}
    outcomes = iter(await post_transfers(tx, brand.brand_id, holders, [*good.values()], places=[*good]))
    return [one if isinstance(one, Outcome) else next(outcomes) for one in read]


async def post_transfers(
    tx: WriteTransaction,
    brand_id: BrandId,
    holders: Holders,
    transfers: Sequence[Transfer],
    *,
    at: datetime | None = None,
    places: Sequence[int] | None = None,
) -> list[Outcome]:
    """Post checked transfers in one call; one outcome each, in order. Shape: parsed as `read_transfers` does.

    `places`: where each stands in the request, for the paths of refusals; else they are all of it.
    `at`, not later than now: as of when lots can be used and have expired, for histories that are read in.
    """
    names = list(dict.fromkeys(line.account for one in transfers for line in one.lines))
    accounts, codes = await ensure_accounts(tx, brand_id, holders, names)
    outcomes: dict[int, Outcome] = {}
    paths = [f"/transfers/{place}" for place in places or range(len(transfers))]
    for place, one in enumerate(transfers):
        bad = next(((n, codes[line.account]) for n, line in enumerate(one.lines) if line.account in codes), None)
        if bad is not None:
            outcomes[place] = _refused(one, bad[1], f"{paths[place]}/lines/{bad[0]}/account")
    known = [place for place in range(len(transfers)) if place not in outcomes]
    if known:
        found = await store.post(tx, brand_id, [transfers[place] for place in known], accounts, at=at)
        for place, (result, code, limit, is_held) in zip(known, found, strict=True):
            one, path = transfers[place], paths[place]
            done = Outcome(str(one.id), Result(result))
            outcomes[place] = _refused(one, code, path, limit=limit, is_held=is_held) if code else done
    return [outcomes[place] for place in range(len(transfers))]


def _refused(transfer: Transfer, code: str, path: str, *, limit: str | None = None, is_held: bool = False) -> Outcome:
    named = str(transfer.id)
    return Outcome(named, Result.REFUSED, code, path, TOLD[code], limit, named if is_held else None)


async def ensure_accounts(
    tx: WriteTransaction, brand_id: BrandId, holders: Holders, names: Sequence[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """The accounts of these names, opened where they are new; of the others the code that says why there is none."""
    found = await store.find_accounts(tx, brand_id, names)
    new = [name for name in names if name not in found]
    if not new:
        return found, {}
    now_named = await _find_names_in_force(tx, brand_id, holders, new)
    codes = {name: "account.unknown" for name in new if name not in now_named}
    parsed = {name: one for name in now_named.values() if (one := parse_account(name))}
    assets = await store.find_assets(tx, brand_id, sorted({one.asset for one in parsed.values()}))
    codes |= {name: "asset.unknown" for name, now in now_named.items() if parsed[now].asset not in assets}
    opened = [(assets[one.asset], name, one.keeps.value) for name, one in parsed.items() if one.asset in assets]
    if opened:
        await store.open_accounts(tx, brand_id, opened)
        known = await store.find_accounts(tx, brand_id, [name for _, name, _ in opened])
        found |= {name: known[now] for name, now in now_named.items() if now in known}
    return found, codes


async def _find_names_in_force(
    tx: ReadTransaction, brand_id: BrandId, holders: Holders, names: Sequence[str]
) -> dict[str, str]:
    """Each name whose holder there is, and the name under which this holder is known now."""
    parsed = {name: one for name in names if (one := parse_account(name))}
    whose = {one.whose for one in parsed.values() if one.kind == "member" and one.whose}
    known = await holders.list_in_force(tx, brand_id, "member", whose) if whose else {}
    return {
        name: replace(one, whose=known[one.whose]).text if one.kind == "member" and one.whose else one.text
        for name, one in parsed.items()
        if one.kind != "member" or one.whose in known
    }


async def reverse_asked(
    tx: WriteTransaction, brand: Brand, text: str, body: Mapping[str, Any]
) -> tuple[Outcome, int | None]:
    """Undo a transfer, or a part; how much it was. Raises: TransferUnknown, TransferInvalid."""
    original, transfer_id = read_id(text), read_id(body.get("id"))
    if unknown := sorted(set(body) - {"id", "amount", "policy"}):
        raise TransferInvalid(
            f"a reversal has no {unknown[0]!r}", path=f"/{unknown[0]}", suggestion="id, amount, policy"
        )
    if transfer_id is None:
        raise TransferInvalid("id must be a UUID, the reversal's own; it makes a retry safe", path="/id")
    amount = read_positive(body, "amount") if body.get("amount") is not None else None
    policy = body.get("policy", ReversalPolicy.WITHIN_BALANCE)
    if policy not in list(ReversalPolicy):
        said = f"policy must be one of {', '.join(ReversalPolicy)}"
        raise TransferInvalid(said, path="/policy", suggestion=ReversalPolicy.WITHIN_BALANCE)
    if original is None:
        raise TransferUnknown(f"no transfer {text[:40]!r}")
    return await reverse_transfer(
        tx, brand.brand_id, original, transfer_id, amount=amount, policy=ReversalPolicy(policy)
    )


async def reverse_transfer(
    tx: WriteTransaction,
    brand_id: BrandId,
    original: UUID,
    transfer_id: UUID,
    *,
    amount: int | None = None,
    policy: ReversalPolicy = ReversalPolicy.WITHIN_BALANCE,
) -> tuple[Outcome, int | None]:
    """Its outcome and, where it is new, how much was undone. Raises: TransferUnknown."""
    said = {"amount": str(amount)} if amount else {}
    body = encode_body({"kind": "reverse", "reverses": str(original), "policy": policy.value, **said})
    result, code, undone = await store.reverse(
        tx, brand_id, original, transfer_id, amount=amount, policy=policy.value, body=body
    )
    if code == "transfer.unknown":
        raise TransferUnknown(f"no transfer {original}")
    return Outcome(str(transfer_id), Result(result), code, None, TOLD[code] if code else None), undone


# --- holds --------------------------------------------------------------------------------------------------------------


async def hold_asked(
    tx: WriteTransaction, brand: Brand, holders: Holders, body: Mapping[str, Any], *, now: datetime
) -> dict[str, Any]:
    """Reserve an amount. Raises: TransferInvalid."""
    if unknown := sorted(set(body) - {"id", "account", "to", "amount", "expires_at"}):
        raise TransferInvalid(f"a hold has no {unknown[0]!r}", path=f"/{unknown[0]}")
    hold_id, amount = read_id(body.get("id")), read_positive(body, "amount")
    if hold_id is None:
        raise TransferInvalid("id must be a UUID; it makes a retry safe", path="/id")
    names = [_read_account(body, field) for field in ("account", "to")]
    if names[0] == names[1] or names[0].rpartition("/")[2] != names[1].rpartition("/")[2]:
        raise TransferInvalid("to must be another account of the same asset", path="/to")
    said = body.get("expires_at")
    expires_at = read_instant(said) if said is not None else now + timedelta(seconds=HOLD_SECONDS)
    if expires_at is None:
        raise TransferInvalid("expires_at must be an instant as in 2027-03-31T16:00:00Z", path="/expires_at")
    accounts, codes = await ensure_accounts(tx, brand.brand_id, holders, names)
    if codes:
        code = next(iter(codes.values()))
        return {"id": str(hold_id), "state": None, "result": Result.REFUSED, "code": code, "message": TOLD[code]}
    asked = {"account": names[0], "to": names[1], "amount": str(amount), "expires_at": said}
    result, code, limit = await store.hold(
        tx,
        brand.brand_id,
        hold_id,
        encode_body(asked),
        account_id=accounts[names[0]],
        to_account_id=accounts[names[1]],
        amount=amount,
        expires_at=expires_at,
    )
    told = {"code": code, "message": TOLD[code], **({"limit": limit} if limit else {})} if code else {}
    found = await store.find_hold(tx, brand.brand_id, hold_id)
    return {"id": str(hold_id), "state": found[0] if found else None, "result": result, **told}


def _read_account(body: Mapping[str, Any], field: str) -> str:
    text = body.get(field)
    name = parse_account(text) if isinstance(text, str) else None
    if name is None:
        raise TransferInvalid(f"{field} must be HOLDER/ASSET, as in member:m42/points", path=f"/{field}")
    return name.text


async def end_hold(
    tx: WriteTransaction, brand: Brand, text: str, *, capture: bool, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Capture a hold or void it.

    Raises: HoldUnknown, HoldExpired, HoldExceeded, HoldNotDivisible, HoldEnded, TransferInvalid.
    """
    hold_id = read_id(text)
    if unknown := sorted(set(body) - ({"amount"} if capture else set())):
        raise TransferInvalid(f"this takes no {unknown[0]!r}", path=f"/{unknown[0]}")
    amount = read_positive(body, "amount") if body.get("amount") is not None else None
    if hold_id is None:
        raise HoldUnknown(f"no hold {text[:40]!r}")
    new_id = uuid5(hold_id, "capture") if capture else None
    asked = encode_body({"kind": "capture", "hold": str(hold_id), **({"amount": str(amount)} if amount else {})})
    result, code, state, captured, transfer_id = await store.end_hold(
        tx, brand.brand_id, hold_id, amount, new_id, asked
    )
    if code == "hold.unknown":
        raise HoldUnknown(f"no hold {hold_id}")
    if result not in (Result.CREATED, Result.EXISTS):
        if state == "expired":
            raise HoldExpired(f"hold {hold_id} has expired: what it reserved is free, within a minute")
        if code == "hold.not_divisible":
            raise HoldNotDivisible(f"hold {hold_id} waits for a review: capture all of it or void it", path="/amount")
        if state == "open":
            raise HoldExceeded(f"hold {hold_id}: {TOLD[code or 'hold.exceeded']}")
        raise HoldEnded(f"hold {hold_id} is {state}")
    taken = {"captured": str(captured), "transfer": str(transfer_id)} if capture else {}
    return {"id": str(hold_id), "state": state, **taken}


async def list_holds(
    tx: ReadTransaction, brand: Brand, *, is_reviewed: bool, before: int, limit: int, now: datetime
) -> list[tuple[int, dict[str, Any]]]:
    """Open ones, newest first, each with where it stands; `is_reviewed`: those alone that wait for a review."""
    rows = await store.list_holds(tx, brand.brand_id, is_reviewed=is_reviewed, before=before, limit=limit, now=now)
    return [
        (
            row[0],
            {
                "id": str(row[1]),
                "account": row[2],
                "to": row[3],
                "amount": str(row[4]),
                "created_at": instant_text(row[5]),
                "expires_at": instant_text(row[6]),
                "limit": row[7],
            },
        )
        for row in rows
    ]


# --- what it says -------------------------------------------------------------------------------------------------------


_NOTHING_POSTED: Final = (0, 0, 0, 0, False, 0, None, "none")


async def get_account(
    tx: ReadTransaction, brand: Brand, holders: Holders, text: str, *, now: datetime
) -> dict[str, Any]:
    """Its balance and terms. One that nothing was posted to has zeros where its holder and asset are there. Raises: AccountUnknown."""
    name, row = await _find_account(tx, brand, holders, text, now)
    posted, held, available, version, is_closed, floor, cap, knowledge = row[2:] if row else _NOTHING_POSTED
    is_kept = name.keeps != Keeps.ENTRIES
    return {
        "account": name.text,
        "posted": str(posted),
        "held": str(held),
        "available": str(available),
        "version": version if is_kept else None,
        "closed": is_closed,
        "floor": str(floor) if is_kept else None,
        "cap": None if cap is None else str(cap),
        "knowledge": knowledge if is_kept else None,
    }


async def _find_account(
    tx: ReadTransaction, brand: Brand, holders: Holders, text: str, now: datetime
) -> tuple[AccountName, TupleRow | None]:
    """Its row as store.find_account gives it, if anything was posted to it. Raises: AccountUnknown."""
    name = parse_account(text)
    if name is None:
        raise AccountUnknown(f"{text[:100]!r} is not HOLDER/ASSET, as in member:m42/points")
    row = await store.find_account(tx, brand.brand_id, name.text, now)
    if row is None:
        if name.asset not in await store.find_assets(tx, brand.brand_id, [name.asset]):
            raise AccountUnknown(f"{name.text}: the brand has no asset {name.asset!r}")
        if not await _find_names_in_force(tx, brand.brand_id, holders, [name.text]):
            raise AccountUnknown(f"{name.text}: there is no member {name.whose!r}")
    return name, row


async def list_statement(
    tx: ReadTransaction, brand: Brand, holders: Holders, text: str, *, before: int, limit: int, now: datetime
) -> list[tuple[int, dict[str, Any]]]:
    """Lines of an account, newest first, each with where it stands. Raises: AccountUnknown."""
    _, found = await _find_account(tx, brand, holders, text, now)
    rows = [] if found is None else await store.list_entries(tx, found[0], before=before, limit=limit)
    return [
        (
            row[0],
            {
                "version": row[1],
                "amount": str(row[2]),
                "balance_after": None if row[3] is None else str(row[3]),
                "transfer": str(row[4]),
                "kind": row[5],
                "at": instant_text(row[6]),
                **({"reverses": str(row[7])} if row[7] else {}),
                "lots": row[8],
            },
        )
        for row in rows
    ]


async def list_findings(tx: ReadTransaction, brand: Brand) -> dict[str, Any]:
    """Whether the books are right; each finding names what is wrong and where."""
    rows = await store.list_findings(tx, brand.brand_id, FINDINGS_MAX)
    return {"ok": not rows, "findings": [{"finding": row[0], "what": row[1], "detail": row[2]} for row in rows]}


async def list_liability(tx: ReadTransaction, brand: Brand) -> list[dict[str, Any]]:
    """What is outstanding, by asset, month of expiry in the brand's time zone and funder."""
    rows = await store.list_liability(tx, brand.brand_id, brand.time_zone.key)
    return [
        {"asset": row[0], "month": row[1], "funder": row[2], "outstanding": str(row[3]), "accounts": row[4]}
        for row in rows
    ]


async def list_posted(tx: ReadTransaction, brand: Brand) -> AsyncIterator[list[Posted]]:
    """Everything, page by page in the order in which it was posted."""
    after = 0
    while rows := await store.list_postings(tx, brand.brand_id, after=after, limit=POSTED_PAGE):
        after = rows[-1][0]
        yield [_to_posted(list(lines)) for _, lines in groupby(rows, key=itemgetter(0))]


def _to_posted(rows: Sequence[TupleRow]) -> Posted:
    _, transfer_id, kind, at, *_ = rows[0]
    return Posted(str(transfer_id), kind, at, [(row[4], Decimal(row[5]).scaleb(-row[6])) for row in rows])


async def sweep(tx: WriteTransaction, brand_id: BrandId, *, at: datetime | None = None) -> int:
    """Post what has expired of a brand's lots; how many accounts it was of, SWEPT_MAX at most."""
    return await store.expire_lots(tx, brand_id, at, SWEPT_MAX)


# --- for whoever drives accounts by rules ---------------------------------------------------------------------------------


async def lock_accounts(tx: WriteTransaction, brand_id: BrandId, holders: Holders, names: Sequence[str]) -> None:
    """Open and lock the accounts of these names until commit, in the order in which everybody locks them."""
    accounts, _ = await ensure_accounts(tx, brand_id, holders, names)
    await store.lock_accounts(tx, sorted(set(accounts.values())))


async def redate(
    tx: WriteTransaction, brand_id: BrandId, transfer_ids: Sequence[UUID], expires_at: datetime | None
) -> int:
    """What these transfers credited expires at another moment, None never; what had expired and now should not have.

    That much the caller posts back from breakage. What the lots said before is kept.
    """
    return await store.redate(tx, brand_id, transfer_ids, expires_at)


async def list_available(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], now: datetime) -> dict[str, int]:
    """What accounts with lots could spend, by name; those that nothing was posted to are left out."""
    return {row[0]: row[1] for row in await store.list_available(tx, brand_id, names, now)}


async def list_expiring(
    tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], now: datetime
) -> list[tuple[str, datetime, int]]:
    """Account, when and how much of it will expire, soonest first."""
    return [(row[0], row[1], int(row[2])) for row in await store.list_expiring(tx, brand_id, names, now)]


async def list_totals(tx: ReadTransaction, brand: Brand) -> list[dict[str, Any]]:
    """What members received (positive) and gave, by asset and kind of transfer; of reversals by what they undid."""
    return [
        {"asset": row[0], "kind": row[1], "reverses": row[2] or None, "amount": str(row[3])}
        for row in await store.sum_posted(tx, brand.brand_id)
    ]

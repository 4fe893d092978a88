"""When balances lapse because a member did nothing: a walk over what the member did, and the levels held meanwhile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from regulars.loyalty.compiling import Edition
from regulars.loyalty.expiry import inactive_at, policy_of
from regulars.loyalty.model import Asset, Expiry, Inactive, Name
from regulars.loyalty.tiers import Change


class Lot(Protocol):
    """Points that were awarded; `expires_at` is set to when they lapsed."""

    at: datetime
    expires_at: datetime | None


class _Instant(NamedTuple):
    at: datetime
    kind: Literal["level", "act", "award", "end"]
    name: str = ""
    level: int = 0


@dataclass(slots=True)
class _State:
    level: int = 0
    active_at: datetime | None = None
    awarded_at: datetime | None = None
    since: datetime | None = None


def find_lapses(
    editions: Sequence[Edition],
    active: Iterable[tuple[datetime, str]],
    changes: Iterable[Change],
    awards: Iterable[tuple[tuple[str, Name], Lot]],
    now: datetime,
) -> dict[Name, datetime]:
    """By asset when what is there will lapse. What lapsed up to `now` has its lots' end set.

    `active`: instants and names of all that the member did; `changes`: of levels; both by the newest version.
    """
    newest = editions[-1]
    if not any(
        isinstance(one, Inactive) for asset in newest.programme.assets.values() for one in _policies(newest, asset)
    ):
        return {}
    lots: dict[Name, list[Lot]] = {}
    for (_, asset), lot in awards:
        lots.setdefault(asset, []).append(lot)
    acts = [_Instant(at, "act", name) for at, name in active]
    levels = [_Instant(change.at, "level", level=change.after) for change in changes]
    found: dict[Name, datetime] = {}
    for name, asset in newest.programme.assets.items():
        mine = lots.get(name, [])
        given = [_Instant(lot.at, "award") for lot in mine]
        instants = sorted([*acts, *levels, *given], key=lambda one: one.at)
        due = _walk(editions, name, asset, [*instants, _Instant(now, "end")], mine)
        if due is not None:
            found[name] = due
    return found


def _walk(
    editions: Sequence[Edition], name: Name, asset: Asset, instants: Sequence[_Instant], lots: Sequence[Lot]
) -> datetime | None:
    newest = editions[-1]
    events = {
        said
        for policy in _policies(newest, asset)
        if isinstance(policy, Inactive)
        for event in policy.events
        for said in newest.names_of(event)
    }
    state = _State(since=_policy_since(editions, name))
    due: datetime | None = None
    for one in instants:
        due = _due_at(newest, asset, state)
        if due is not None and due <= one.at:
            for lot in lots:
                if lot.at < due and (lot.expires_at is None or lot.expires_at > due):
                    lot.expires_at = due
        if one.kind == "act" and one.name in events:
            state.active_at = one.at
        elif one.kind == "award":
            state.awarded_at = one.at
        elif one.kind == "level":
            if _policy_at(newest, asset, one.level) != _policy_at(newest, asset, state.level):
                state.since = one.at
            state.level = one.level
    is_held = any(lot.expires_at is None or (due is not None and lot.expires_at > due) for lot in lots)
    return due if due is not None and is_held and due > instants[-1].at else None


def _due_at(newest: Edition, asset: Asset, state: _State) -> datetime | None:
    policy = _policy_at(newest, asset, state.level)
    start = state.active_at or state.awarded_at
    return None if start is None else inactive_at(policy, start, state.since or start, newest.zone)


def _policy_at(edition: Edition, asset: Asset, level: int) -> Expiry:
    tiers = edition.programme.tiers
    return policy_of(asset, None if tiers is None else tiers.levels[level])


def _policies(edition: Edition, asset: Asset) -> list[Expiry]:
    tiers = edition.programme.tiers
    return [asset.expires, *(policy_of(asset, level) for level in (tiers.levels if tiers is not None else ()))]


def _policy_since(editions: Sequence[Edition], name: Name) -> datetime | None:
    """When the newest version's policy came into force; None where it was there from the beginning."""
    newest = editions[-1]
    first = newest
    for one in reversed(editions):
        asset = one.programme.assets.get(name)
        if asset is None or asset.expires != newest.programme.assets[name].expires:
            return first.from_at
        first = one
    return None

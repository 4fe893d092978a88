"""The demo's audiences: eight over the real members, asked of the API, and what is computed of members.

Decides which audiences. Each is counted once and at an instant that nobody asked for before, so that no leaf of it was
remembered; opening the history, which the first question of a process waits for, is measured apart.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from regulars.audiences.computed import TAG_PREFIX
from regulars.audiences.service.refreshing import Refreshed, refresh_brand
from regulars.audiences.service.saving import get_catalogue
from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.loading import CONTACT, COUPON, ORDER
from regulars.bootstrap.demo.moving import move_all
from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, get_brand
from regulars.bootstrap.history import build_history_place
from regulars.history.service.reading import HistoryReader
from regulars.kernel.clock import instant_text
from regulars.platform.db import Database
from regulars.platform.settings import Settings

FAVOURITE: Final = f"{TAG_PREFIX}CAT FOOD"
QUIET: Final = "quiet regulars"
EXPLAINED: Final = QUIET
MEMBERS_ASKED_MAX: Final = 50

Tree = Mapping[str, Any]
_ORDERS: Final = {"event": ORDER}
_AUDIENCES: Final[dict[str, Tree]] = {
    QUIET: {
        "all": [
            {"trait": {"usual_gap_days": {"at_most": 7}, "days_late": {"at_least": 14}}},
            {"did": {**_ORDERS, "count": {"at_least": 5}, "within": "180d"}},
        ]
    },
    "lapsed": {
        "all": [
            {"did": {**_ORDERS, "count": {"at_least": 5}, "within": "180d"}},
            {"not": {"did": {**_ORDERS, "within": "30d"}}},
        ]
    },
    "big baskets": {"trait": {"average_basket": {"at_least": 60}}},
    "top tenth": {"percentile": {"top": 10, "of": {"did": {**_ORDERS, "sum": {"of": "revenue"}, "within": "90d"}}}},
    "coupon users": {"did": {"event": COUPON, "count": {"at_least": 2}}},
    "told, and stayed away": {"sequence": {"of": [CONTACT, {"not": ORDER}], "within": "7d"}},
    "families that buy milk": {
        "all": [
            {"trait": {"kids_count": ["1", "2", "3+"]}},
            {
                "did": {
                    **_ORDERS,
                    "item": {"category": "FLUID MILK PRODUCTS"},
                    "count": {"at_least": 3},
                    "within": "60d",
                }
            },
        ]
    },
}


@dataclass(frozen=True, slots=True)
class Computing:
    """What was computed of members, and the favourites that some of them now have."""

    done: Refreshed
    as_of: datetime
    favourites: frozenset[str]


@dataclass(frozen=True, slots=True)
class Counted:
    """One audience: its sentence in Chinese, its size, and how long the answer took."""

    name: str
    size: int
    milliseconds: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is told of audiences; `explained` and `why` as the API answered."""

    computing: Computing
    opening_milliseconds: float
    counted: list[Counted]
    explained: dict[str, Any]
    why: dict[str, Any] | None
    tags: list[dict[str, Any]]


async def compute_members(deployment: Deployment, settings: Settings) -> Computing:
    """Move all events to the history, and compute traits and tags of everybody from there."""
    database = Database(deployment.dsn, connections_max=3)
    await database.open()
    place = build_history_place(settings)
    history = HistoryReader(place)
    try:
        await move_all(deployment, place)
        brand = await get_brand(deployment, database, FIRST_BRAND)
        now = deployment.clock()
        done = await refresh_brand(database, history, brand, now=now, is_whole=True)
        async with database.read() as tx:
            tags = (await get_catalogue(tx, brand)).tags
        return Computing(done, now, frozenset(tag for tag in tags if tag.startswith(TAG_PREFIX)))
    finally:
        history.close()
        await database.close()


def show_audiences(client: Client, computing: Computing) -> Shown:
    """Save, count, and explain. Raises: ServeFailed."""
    audiences = {name: tree for name, tree in list_audiences(computing.favourites).items() if _save(client, name, tree)}
    as_of = instant_text(computing.as_of)
    _, opening = _time_count(client, next(iter(audiences)), instant_text(computing.as_of - timedelta(seconds=1)))
    counts = {name: _time_count(client, name, as_of) for name in audiences}
    counted: list[Counted] = []
    for name, (size, milliseconds) in counts.items():
        sentence = client.get(f"{_path(name)}/explain", as_of=as_of)["sentence"]["zh-TW"]
        counted.append(Counted(name, size, milliseconds, sentence))
    explained = {"audience": EXPLAINED, **client.get(f"{_path(EXPLAINED)}/explain", as_of=as_of)}
    member = _find_told(client, EXPLAINED, as_of)
    why = None
    if member is not None:
        asked = client.get(f"{_path(EXPLAINED)}/explain", as_of=as_of, member=member["id"])
        why = {"audience": EXPLAINED, **asked}
    return Shown(computing, opening, counted, explained, why, member["tags"] if member else [])


def list_audiences(favourites: frozenset[str]) -> dict[str, Tree]:
    """By name; the favourite is cat food, and of a part of the data any that there is."""
    favourite = FAVOURITE if FAVOURITE in favourites else min(favourites, default=None)
    if favourite is None:
        return dict(_AUDIENCES)
    liked = favourite.removeprefix(TAG_PREFIX).lower()
    return {**_AUDIENCES, f"{liked} fans": {"tag": {"is": favourite, "weight": {"at_least": 0.7}}}}


def _save(client: Client, name: str, tree: Tree) -> bool:
    return bool(client.put(_path(name), {"where": tree})["version"])


def _time_count(client: Client, name: str, as_of: str) -> tuple[int, float]:
    began = time.perf_counter()
    count = client.get(f"{_path(name)}/count", as_of=as_of)["count"]
    return count, (time.perf_counter() - began) * 1_000


def _find_told(client: Client, name: str, as_of: str) -> dict[str, Any] | None:
    """The audience's first member of whom a favourite is known, else its first."""
    ids = client.get(f"{_path(name)}/members", as_of=as_of, limit=MEMBERS_ASKED_MAX)["members"]
    members = (client.get(f"/api/members/{quote(member)}") for member in ids)
    first: dict[str, Any] | None = None
    for member in members:
        first = first or member
        if member["tags"]:
            return member
    return first


def _path(name: str) -> str:
    return f"/api/audiences/{quote(name, safe='')}"

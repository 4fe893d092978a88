"""What a test puts as a programme: two assets, a base rule, levels, a mission, a pool of vouchers."""

from typing import Any

from tests.support.rewarding import Rewarded

ORDERED: dict[str, Any] = {"did": {"event": "Order Completed"}}
ASSETS: dict[str, Any] = {"points": {"redeemable": True}, "stars": {"qualifying": True}}
BASE: dict[str, Any] = {
    "name": "base",
    "when": ORDERED,
    "award": [
        {"asset": "points", "per": "30", "of": "revenue", "round": "down"},
        {"asset": "stars", "per": "1", "of": "revenue", "round": "down"},
    ],
}
LEVELS: list[dict[str, Any]] = [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500, "multiplier": "1.2"}]
TIERED: dict[str, Any] = {"asset": "stars", "window": "rolling 12 months", "levels": LEVELS}


def fixed(amount: int, event: str = "Order Completed", name: str = "fixed") -> dict[str, Any]:
    return {"name": name, "when": {"did": {"event": event}}, "award": [{"asset": "points", "amount": amount}]}


def put(books: Rewarded, **sections: Any) -> dict[str, Any]:
    """Both assets and the base rule, or what stands instead."""
    return books.put_programme("main", **{"assets": ASSETS, "earn": [BASE], **sections})


def tier(books: Rewarded, who: str) -> str:
    return books.loyalty(who)["tier"]["name"]


THREE: list[dict[str, Any]] = [*LEVELS, {"name": "platinum", "enter": 1_000, "multiplier": "2"}]


def tiers(**fields: Any) -> dict[str, Any]:
    return {"asset": "stars", "window": "rolling 12 months", "status": "13 months", "levels": THREE, **fields}


def mission(**fields: Any) -> dict[str, Any]:
    return {"name": "goal", "then": {"award": [{"asset": "points", "amount": 50}]}, **fields}


def pool(name: str = "half-price", **fields: Any) -> dict[str, Any]:
    return {"name": name, "codes": "generated", "stock": 10, "discount": {"percent": "50"}, **fields}

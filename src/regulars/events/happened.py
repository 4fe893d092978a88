"""One event as conditions look at it, at the moment it comes: with the values that the history will keep in columns."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from regulars.conditions.closures import EventFacts, ItemFacts, LineFacts
from regulars.events.vocabulary import canonical_event


def read_event(
    name: str, properties: Mapping[str, Any], occurred_at: datetime, items: Mapping[str, ItemFacts] | None = None
) -> EventFacts:
    """Shape: `name` as it came, `properties` as decoded JSON; `items` by id, needed where a closure asks of items."""
    typed = canonical_event(name, properties)
    return EventFacts(
        name,
        occurred_at,
        properties,
        typed.revenue,
        typed.order_id,
        typed.item_id,
        typed.category,
        typed.quantity,
        [LineFacts(*line) for line in typed.lines],
        items or {},
    )

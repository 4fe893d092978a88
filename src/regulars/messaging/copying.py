"""Deliveries of a plan as PostgreSQL's COPY reads them: hundreds of thousands share all but a member, a value and an instant.

Source: PostgreSQL 18 documentation, COPY, «Text Format».
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString

import numpy as np

from regulars.messaging.model import Planned, PlannedKind

PLANNED_COPY: Final[LiteralString] = (
    "copy messaging_deliveries (member_id, dedupe_key, value, send_at, brand_id, plan_id, created_at, channel, purpose, topic,"
    " message_id, campaign, variant, holdout, budget, until_at, waits, state) from stdin"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def pack_planned(brand_id: int, plan_id: int, planned: Sequence[Planned], now: datetime) -> bytes:
    """One block of rows."""
    lines: list[str] = []
    for one in planned:
        shared = _share(brand_id, plan_id, one.kind, now)
        key = one.kind.key.translate(_ESCAPES)
        instants, places = np.unique(one.send_at, return_inverse=True)
        ends = [f"{_instant(int(at))}\t{shared}" for at in instants]
        columns = (one.member_id.tolist(), one.value_micros.tolist(), places.tolist())
        lines += [
            f"{member}\t{key}{member}\t{value}e-6\t{ends[at]}" for member, value, at in zip(*columns, strict=True)
        ]
    return "".join(lines).encode()


def _share(brand_id: int, plan_id: int, kind: PlannedKind, now: datetime) -> str:
    """The end of a row, all that is the same for each member."""
    texts: list[object | None] = [
        brand_id, plan_id, now.isoformat(), kind.channel, kind.purpose, kind.topic, kind.message_id, kind.campaign,
        kind.variant, kind.holdout, kind.budget, kind.until_at.isoformat(), "true", "planned",
    ]  # fmt: skip
    return "\t".join(r"\N" if text is None else str(text).translate(_ESCAPES) for text in texts) + "\n"


def _instant(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()

"""`regulars tags explain`: why a member has its tags."""

import asyncio
import json as json_module
from typing import Any

from regulars.audiences.service.telling import explain_tags
from regulars.bootstrap.deployment import Deployment, get_brand
from regulars.bootstrap.history import build_history_place
from regulars.history.service.reading import HistoryReader
from regulars.platform.db import Database
from regulars.platform.settings import Settings


def run_explain(deployment: Deployment, settings: Settings, brand: str, member: str, *, json: bool) -> None:
    """Print it. Raises: BrandUnknown, MemberUnknown."""
    told = asyncio.run(_explain(deployment, settings, brand, member))
    print(json_module.dumps(told, ensure_ascii=False) if json else _as_text(told))


async def _explain(deployment: Deployment, settings: Settings, brand_name: str, member: str) -> dict[str, Any]:
    database = Database(deployment.dsn, connections_max=2)
    await database.open()
    history = HistoryReader(build_history_place(settings))
    try:
        brand = await get_brand(deployment, database, brand_name)
        async with database.read() as tx:
            return await explain_tags(tx, history, brand, member, now=deployment.clock())
    finally:
        history.close()
        await database.close()


def _as_text(told: dict[str, Any]) -> str:
    if not told["tags"]:
        return f"{told['member']} has no tags"
    lines: list[str] = []
    for tag in told["tags"]:
        lines.append(f"{tag['tag']}: weight {tag['weight']:g} ({tag['source']})")
        lines += [f"  {tag['evidence']}"] if tag["evidence"] else []
        if tag["numbers"]:
            numbers = tag["numbers"]
            lines.append(
                f"  now: counts {numbers['counted']:g} of {numbers['counted_of_all']:g}, share {numbers['share']:.2%}"
                f" ÷ {numbers['base']:.2%} = lift {tag['lift']:.2f}, half-life {tag['half_life']},"
                f" weight {numbers['weight']:g}"
            )
        lines += [f"  until {tag['expires_at']}"] if tag["expires_at"] else []
    return "\n".join(lines)

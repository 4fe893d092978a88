"""`regulars tags explain`: why a member has its tags."""

from typing import Any

from regulars.audiences.service.telling import explain_tags
from regulars.bootstrap.asking import ask_brand, print_told
from regulars.bootstrap.deployment import Deployment
from regulars.bootstrap.history import build_history_place
from regulars.history.service.reading import HistoryReader
from regulars.platform.db import ReadTransaction
from regulars.platform.settings import Settings
from regulars.platform.tenancy import Brand


def run_explain(deployment: Deployment, settings: Settings, brand: str, member: str, *, json: bool) -> None:
    """Print it. Raises: BrandUnknown, MemberUnknown."""
    history = HistoryReader(build_history_place(settings))

    async def explain(tx: ReadTransaction, found: Brand) -> dict[str, Any]:
        return await explain_tags(tx, history, found, member, now=deployment.clock())

    try:
        told = ask_brand(deployment, brand, explain)
    finally:
        history.close()
    print_told(told, [] if json else [_as_text(told)], json=json)


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

"""`regulars ledger`: check the books, show an account, say what is outstanding, write everything down for other programs."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from regulars.bootstrap.asking import ask_brand, print_told
from regulars.bootstrap.deployment import Deployment
from regulars.bootstrap.holders import MemberHolders
from regulars.ledger import service
from regulars.ledger.errors import ExportUnwritable
from regulars.ledger.exporting import JOURNALS
from regulars.ledger.model import AMOUNT_MAX
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

ExportFormat = Literal["hledger", "beancount"]
LINES_SHOWN_MAX: Final = 1_000


def run_check(deployment: Deployment, brand: str, *, json: bool) -> int:
    """Print what is wrong with the books; 1 where something is. Raises: BrandUnknown."""
    told = ask_brand(deployment, brand, service.list_findings)
    lines = [f"{one['finding']}: {one['what']}: {one['detail']}" for one in told["findings"]]
    print_told(told, lines or ["the books are right"], json=json)
    return 0 if told["ok"] else 1


def run_balance(deployment: Deployment, brand: str, account: str, *, json: bool) -> None:
    """Raises: BrandUnknown, AccountUnknown."""

    async def ask(tx: ReadTransaction, found: Brand) -> dict[str, Any]:
        return await service.get_account(tx, found, MemberHolders(), account, now=deployment.clock())

    told = ask_brand(deployment, brand, ask)
    print_told(told, [f"{name}: {value}" for name, value in told.items() if value is not None], json=json)


def run_statement(deployment: Deployment, brand: str, account: str, *, json: bool) -> None:
    """The newest lines, LINES_SHOWN_MAX at most. Raises: BrandUnknown, AccountUnknown."""

    async def ask(tx: ReadTransaction, found: Brand) -> list[dict[str, Any]]:
        now = deployment.clock()
        rows = await service.list_statement(
            tx, found, MemberHolders(), account, before=AMOUNT_MAX, limit=LINES_SHOWN_MAX, now=now
        )
        return [row for _, row in rows]

    entries = ask_brand(deployment, brand, ask)
    print_told({"entries": entries}, list(_tell_entries(entries)) or ["nothing was posted to it"], json=json)


def _tell_entries(entries: list[dict[str, Any]]) -> Iterator[str]:
    for one in entries:
        after = "" if one["balance_after"] is None else f" → {one['balance_after']}"
        undone = f", reverses {one['reverses']}" if "reverses" in one else ""
        yield f"{one['at']}  {one['amount']}{after}  {one['kind']}  ({one['transfer']}{undone})"
        for lot in one["lots"]:
            until = f"expires {lot['expires_at']}" if lot["expires_at"] else "does not expire"
            yield f"    lot {lot['lot']}: {lot['amount']}, {until}" + (
                f", paid by {lot['funder']}" if lot["funder"] else ""
            )


def run_liability(deployment: Deployment, brand: str, *, json: bool) -> None:
    """Raises: BrandUnknown."""
    rows = ask_brand(deployment, brand, service.list_liability)
    lines = [
        f"{row['asset']}, {row['month'] or 'no expiry'}, {row['funder'] or 'our own'}:"
        f" {row['outstanding']} of {row['accounts']:,} accounts"
        for row in rows
    ]
    print_told({"liability": rows}, lines or ["nothing is outstanding"], json=json)


def run_export(deployment: Deployment, brand: str, file: Path, form: ExportFormat) -> None:
    """Write everything that was posted to a file, in one snapshot. Raises: BrandUnknown, ExportUnwritable."""

    async def ask(tx: ReadTransaction, found: Brand) -> int:
        count = 0
        with file.open("w", encoding="utf-8") as to:
            journal = JOURNALS[form](to)
            async for page in service.list_posted(tx, found):
                journal.write(page)
                count += len(page)
        return count

    try:
        count = ask_brand(deployment, brand, ask)
    except OSError as error:
        raise ExportUnwritable(f"{file} cannot be written: {error.strerror or error}") from error
    print(f"{count:,} transfers in {file}", file=sys.stderr)

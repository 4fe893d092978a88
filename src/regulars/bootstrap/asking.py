"""What commands share that ask something of one brand and print the answer."""

import asyncio
import json as json_module
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from regulars.bootstrap.deployment import Deployment, get_brand
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.tenancy import Brand

Told = TypeVar("Told")


def ask_database(deployment: Deployment, brand: str, question: Callable[[Database, Brand], Awaitable[Told]]) -> Told:
    """The answer, with connections that are closed again. Raises: BrandUnknown, and what the question raises."""

    async def run() -> Told:
        database = Database(deployment.dsn, connections_max=2)
        await database.open()
        try:
            return await question(database, await get_brand(deployment, database, brand))
        finally:
            await database.close()

    return asyncio.run(run())


def ask_brand(
    deployment: Deployment, brand: str, question: Callable[[ReadTransaction, Brand], Awaitable[Told]]
) -> Told:
    """The answer of one snapshot. Raises: BrandUnknown, and what the question raises."""

    async def ask(database: Database, found: Brand) -> Told:
        async with database.read() as tx:
            return await question(tx, found)

    return ask_database(deployment, brand, ask)


def print_told(told: dict[str, Any], lines: list[str], *, json: bool) -> None:
    """As one line of JSON, or as lines to read."""
    print(json_module.dumps(told, ensure_ascii=False) if json else "\n".join(lines))

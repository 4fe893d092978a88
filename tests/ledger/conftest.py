"""A brand's books: an asset, members who may hold it, and what is posted."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec
import pytest

from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId
from regulars.ledger import service, store, terms
from regulars.ledger.model import Line, Outcome, ReversalPolicy, Transfer
from regulars.ledger.reading import LimitBody, TermsBody
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.tenancy import Brand
from tests.conftest import NOW


class Everybody:
    """Whoever is asked for is there, but for who is called nobody."""

    async def list_in_force(
        self, tx: ReadTransaction, brand_id: BrandId, kind: str, whose: Collection[str]
    ) -> dict[str, str]:
        del tx, brand_id, kind
        return {one: one for one in whose if one != "nobody"}


@dataclass
class Books:
    """What a cashier does, each call a transaction of its own."""

    database: Database
    brand: Brand
    holders: Everybody = field(default_factory=Everybody)

    async def post(self, *transfers: Transfer, at: datetime | None = None) -> list[Outcome]:
        async with self.database.write() as tx:
            return await service.post_transfers(tx, self.brand.brand_id, self.holders, transfers, at=at)

    async def move(self, *lines: Line, kind: str = "test", transfer_id: UUID | None = None) -> str:
        """The result of one transfer, or the code of its refusal."""
        (outcome,) = await self.post(Transfer(transfer_id or uuid4(), kind, lines))
        return outcome.code or outcome.result

    async def earn(self, who: str, amount: int, *, transfer_id: UUID | None = None, **terms: Any) -> UUID:
        """Points for a member, which must succeed; the transfer's id."""
        made = transfer_id or uuid4()
        lines = Line("issuer/points", -amount), Line(f"member:{who}/points", amount, **terms)
        assert await self.move(*lines, kind="earn", transfer_id=made) == "created"
        return made

    async def spend(self, who: str, amount: int, transfer_id: UUID | None = None) -> str:
        lines = Line(f"member:{who}/points", -amount), Line("issuer/points", amount)
        return await self.move(*lines, kind="spend", transfer_id=transfer_id)

    async def reverse(
        self, original: UUID, amount: int | None = None, policy: ReversalPolicy = ReversalPolicy.WITHIN_BALANCE
    ) -> tuple[str, int | None]:
        async with self.database.write() as tx:
            outcome, undone = await service.reverse_transfer(
                tx, self.brand.brand_id, original, uuid4(), amount=amount, policy=policy
            )
        return outcome.code or outcome.result, undone

    async def hold(self, who: str, amount: int, *, hold_id: UUID | None = None, **fields: Any) -> tuple[str, UUID]:
        made = hold_id or uuid4()
        body = {"id": str(made), "account": f"member:{who}/points", "to": "issuer/points", "amount": str(amount)}
        async with self.database.write() as tx:
            told = await service.hold_asked(tx, self.brand, self.holders, {**body, **fields}, now=NOW)
        return told.get("code") or told["result"], made

    async def end_hold(self, hold_id: UUID, *, capture: bool, **body: Any) -> str:
        """The state, or the code of the refusal."""
        try:
            async with self.database.write() as tx:
                return (await service.end_hold(tx, self.brand, str(hold_id), capture=capture, body=body))["state"]
        except DomainError as error:
            return error.code

    async def limit(self, name: str = "daily", **fields: Any) -> None:
        body = {"asset": "points", "direction": "out", "per": "1d", **fields}
        async with self.database.write() as tx:
            await terms.put_limit(tx, self.brand, name, msgspec.convert(body, LimitBody))

    async def put(self, account: str, **fields: Any) -> dict[str, Any]:
        async with self.database.write() as tx:
            return await terms.put_account(tx, self.brand, self.holders, account, TermsBody(**fields), now=NOW)

    async def sweep(self) -> int:
        """Holds, then lots; of how many accounts lots had expired."""
        async with self.database.write() as tx:
            await store.expire_holds(tx, 100)
            return await service.sweep(tx, self.brand.brand_id)

    async def let_pass(self, table: Literal["ledger_holds", "ledger_lots"]) -> None:
        """As if the time of all of them were over: no test waits, and none comes too late."""
        async with self.database.write() as tx:
            await tx.execute(f"update {table} set expires_at = clock_timestamp() - interval '1 second'")

    async def balance(self, account: str) -> tuple[int, int, int]:
        """Posted, held, available."""
        async with self.database.read() as tx:
            told = await service.get_account(tx, self.brand, self.holders, account, now=datetime.now(UTC))
        return int(told["posted"]), int(told["held"]), int(told["available"])

    async def lots(self, who: str) -> list[tuple[int, int]]:
        """Issued and remaining of each lot, in the order in which they were made."""
        async with self.database.read() as tx:
            rows = await tx.rows(
                "select issued_minor, remaining_minor from ledger_lots join ledger_accounts using (account_id)"
                " where name = %s order by lot_id",
                [f"member:{who}/points"],
            )
        return [(row[0], row[1]) for row in rows]

    async def findings(self) -> list[str]:
        async with self.database.read() as tx:
            told = await service.list_findings(tx, self.brand)
        return [f"{one['finding']} {one['what']}: {one['detail']}" for one in told["findings"]]


@pytest.fixture
async def books(database: Database, brand: Brand) -> Books:
    async with database.write() as tx:
        await service.put_asset(tx, brand, "points", {})
    return Books(database, brand)

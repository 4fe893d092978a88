"""Which properties the history gives columns of their own: those that most of a brand's saved audiences ask for."""

from collections import Counter

from regulars.audiences.service.cataloguing import list_asked
from regulars.audiences.service.saving import AUDIENCES_MAX, list_audiences
from regulars.history.service.promoting import choose_promotions
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.tenancy import Brand


async def promote_asked(database: Database, brand: Brand) -> bool:
    """Promote what is asked for most; whether that changed anything. Compaction fills the columns at night."""
    async with database.read() as tx:
        wanted = await list_often_asked(tx, brand)
    if not wanted:
        return False
    async with database.write() as tx:
        return await choose_promotions(tx, brand.brand_id, wanted)


async def list_often_asked(tx: ReadTransaction, brand: Brand) -> list[str]:
    """Properties without a column that saved audiences ask for, those of the most audiences first."""
    counts = Counter[str]()
    for audience in await list_audiences(tx, brand, limit=AUDIENCES_MAX):
        counts.update({name for properties in list_asked(audience.tree).values() for name in properties})
    return [name for name, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]

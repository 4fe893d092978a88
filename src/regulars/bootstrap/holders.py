"""Who may hold accounts of the ledger: the brand's members."""

from collections.abc import Collection

from regulars.kernel.ids import BrandId, MemberId, parse_public_id
from regulars.members.service.reading import list_in_force, member_text
from regulars.platform.db import ReadTransaction


class MemberHolders:
    """Implements ledger.service.Holders over the members there are."""

    async def list_in_force(
        self, tx: ReadTransaction, brand_id: BrandId, kind: str, whose: Collection[str]
    ) -> dict[str, str]:
        assert kind == "member", "no other holders are asked for"
        numbers = [MemberId(number) for one in whose if (number := parse_public_id("m", one)) is not None]
        found = await list_in_force(tx, brand_id, numbers)
        return {member_text(asked): member_text(now) for asked, now in found.items()}

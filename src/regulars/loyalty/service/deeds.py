"""What programmes do beside points, once: vouchers issued and tags set."""

from collections.abc import Sequence
from datetime import datetime

from regulars.kernel.ids import MemberId
from regulars.loyalty.folding import Deed
from regulars.loyalty.model import IssueVoucher
from regulars.loyalty.service.posting import Owed
from regulars.loyalty.service.programmes import Version
from regulars.loyalty.service.vouchers import issue_for_cause
from regulars.loyalty.store import driving as store
from regulars.members.service.changing import put_tag
from regulars.members.service.reading import member_text
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand


async def issue_and_tag(
    tx: WriteTransaction,
    brand: Brand,
    version: Version,
    owed: Sequence[Owed],
    *,
    now: datetime,
) -> None:
    """Those that were not done before, in their order, for the member or who was merged into it; what a pool refuses is
    done too, and brings nothing.

    Locks: the pools' rows; the brand's lock where a tag is set.
    """
    kept = {member_id: one.member_id for one in owed if one.folded.deeds for member_id in one.family}
    if not kept:
        return
    rows = await store.list_deeds(tx, brand.brand_id, version.name, sorted(kept))
    done = {(kept[row[0]], row[1]) for row in rows}
    asked = [(one.member_id, deed) for one in owed for deed in one.folded.deeds]
    new = [(member_id, deed) for member_id, deed in asked if (member_id, deed.key) not in done]
    for member_id, deed in new:
        await _do(tx, brand, version, member_id, deed, now)
    if new:
        rows = [(member_id, deed.key) for member_id, deed in new]
        await store.insert_deeds(tx, brand.brand_id, version.name, rows)


async def _do(
    tx: WriteTransaction, brand: Brand, version: Version, member_id: MemberId, deed: Deed, now: datetime
) -> None:
    if isinstance(deed.effect, IssueVoucher):
        await issue_for_cause(tx, brand, version, deed.effect.voucher, member_id, cause=deed.key, now=now)
    else:
        await put_tag(
            tx,
            brand,
            member_text(member_id),
            deed.effect.tag,
            weight=float(deed.effect.weight),
            evidence=f"programme {version.name}",
            expires_at=None,
            now=now,
        )

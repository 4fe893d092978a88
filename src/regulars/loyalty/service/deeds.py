"""What programmes do beside points, once: vouchers issued and tags set."""

from collections.abc import Sequence
from datetime import datetime

from regulars.kernel.ids import MemberId
from regulars.loyalty.folding import Deed, Folded
from regulars.loyalty.model import IssueVoucher
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
    folded: Sequence[tuple[MemberId, Folded]],
    *,
    now: datetime,
) -> None:
    """Those that were not done before, in their order; what a pool refuses is done too, and brings nothing.

    Locks: the pools' rows; the brand's lock where a tag is set.
    """
    asked = [(member_id, deed) for member_id, one in folded for deed in one.deeds]
    if not asked:
        return
    member_ids = sorted({member_id for member_id, _ in asked})
    done = {(row[0], row[1]) for row in await store.list_deeds(tx, brand.brand_id, version.name, member_ids)}
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

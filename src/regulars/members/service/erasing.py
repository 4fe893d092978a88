"""Export and erasure: what is held of a member, handed out and logged, or made to go.

Erasing hides at once: identities, traits, tags and consents are deleted, and the member's origins leave the map, so no
event of theirs is found any more. The events themselves are removed by the job that is deferred in the same transaction.
What still arrives under an erased identity is dropped by a keyed digest of it.
"""

from datetime import datetime
from typing import Any

from regulars.kernel.clock import instant_text
from regulars.kernel.ids import OriginId
from regulars.members.identity import Identity, erasure_digest, value_of
from regulars.members.service.changing import get_preferences
from regulars.members.service.joining import lock_brand
from regulars.members.service.reading import get_active, get_member, list_member_merges, member_text
from regulars.members.store import identities, merges, people
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand


async def erase_member(tx: WriteTransaction, brand: Brand, member: str, *, now: datetime) -> list[OriginId]:
    """Forget a member and all that were merged into it; returns the origins whose events must go.

    Locks: the brand's lock. Raises: MemberUnknown.
    """
    await lock_brand(tx, brand)
    member_id = await get_active(tx, brand, member)
    family = (await merges.list_merged_into(tx, brand.brand_id, [member_id]))[member_id]
    rows = await identities.list_identities(tx, brand.brand_id, [member_id])
    held = [Identity(kind, value_of(kind, lookup, sealed, brand.vault)) for _, kind, lookup, sealed, _ in rows]
    digests = [erasure_digest(identity, brand.vault) for identity in held]
    await identities.insert_erasures(tx, brand.brand_id, member_id, digests, now)
    await merges.delete_identities_of(tx, brand.brand_id, family)
    await merges.delete_personal_data(tx, brand.brand_id, family)
    origin_ids = await merges.delete_origins_of(tx, brand.brand_id, family)
    await merges.mark_erased(tx, brand.brand_id, family)
    await identities.forget_origins(tx, brand.brand_id)
    return origin_ids


async def export_member(
    tx: WriteTransaction, brand: Brand, member: str, *, recipient: str, now: datetime
) -> dict[str, Any]:
    """All that is held of the member but the events, which the caller adds; the disclosure is logged.

    Raises: MemberUnknown.
    """
    member_id = await get_active(tx, brand, member)
    shown = await get_member(tx, brand, member_text(member_id), now=now)
    await people.insert_disclosure(tx, brand.brand_id, member_id, what="export", recipient=recipient, now=now)
    history = await people.list_consent_history(tx, brand.brand_id, member_id)
    disclosures = await people.list_disclosures(tx, brand.brand_id, member_id)
    return {
        "member": shown,
        "preferences": await get_preferences(tx, brand, member_text(member_id)),
        "merges": await list_member_merges(tx, brand, member_text(member_id)),
        "consent_history": [
            {"channel": channel, "purpose": purpose, "granted": granted, "proof": proof, "at": instant_text(at)}
            for channel, purpose, granted, proof, at in history
        ],
        "disclosures": [{"at": instant_text(at), "what": what, "recipient": to} for at, what, to in disclosures],
    }

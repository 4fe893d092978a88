"""A campaign tried on one member: its message as they would get it, outside of plans, caps and measurement."""

from datetime import datetime
from typing import Any

import msgspec

from regulars.campaigns.errors import CampaignInvalid
from regulars.campaigns.reading import suggest
from regulars.campaigns.service.saving import get_campaign, list_unknown_items, show_notice
from regulars.messaging.service.outbox import Outbox
from regulars.messaging.service.sending import SingleSend, send_one, show_delivery
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand

PURPOSE = "service"
"""A duty: consent is not asked for, holdout, quiet hours and caps do not hold it up, and it is no delivery of the campaign."""


class TryBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/campaigns/{name}/test`."""

    member: str
    channel: str
    variant: str | None = None


async def try_campaign(
    tx: WriteTransaction, brand: Brand, outbox: Outbox, name: str, body: TryBody, *, now: datetime
) -> dict[str, Any]:
    """One delivery of its message; every time another. With `warnings` where an item that it names is not there.

    Raises: CampaignUnknown, CampaignInvalid, MemberUnknown, ChannelUnknown, MessageInvalid.
    """
    campaign = await get_campaign(tx, brand, name)
    variants = [one.name for one in campaign.variants]
    if body.variant is not None and body.variant not in variants:
        raise CampaignInvalid(
            f"{name} has no variant {body.variant[:40]!r}", path="/variant", suggestion=suggest(body.variant, variants)
        )
    message = campaign.message_of(body.variant or (variants[0] if variants else None))
    key = f"test:{name[:40]}:{outbox.new_key()}"
    shown = await send_one(
        tx, brand, outbox, SingleSend(body.member, body.channel, message, key, purpose=PURPOSE), now=now
    )
    notices = await list_unknown_items(tx, brand, [(message, "/message")])
    warnings = {"warnings": [show_notice(one) for one in notices]} if notices else {}
    return {**show_delivery(shown), **warnings}

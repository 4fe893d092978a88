"""What a channel says of itself: whose it is, and on LINE how many messages a month are included and used.

What the channel counts beyond what we count was sent by somebody else from the same account: it is gone for us too.
"""

from datetime import datetime

from regulars.kernel.errors import DomainError
from regulars.messaging.ports import Channel, ChannelState
from regulars.messaging.service.channels import ChannelRow
from regulars.messaging.service.gating import month_of
from regulars.messaging.store import channels
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand


async def keep_state(
    tx: WriteTransaction, brand: Brand, row: ChannelRow, state: ChannelState, *, now: datetime
) -> None:
    """Remember what `Channel.probe` answered. Locks: the channel's month, where it has one."""
    told = {
        "ok": state.ok,
        "detail": state.detail,
        "name": state.name,
        "quota": state.quota,
        "consumption": state.consumption,
        "version": row.version,
        "checked_at": now.isoformat(),
    }
    await channels.set_channel_state(tx, brand.brand_id, row.name, told)
    if state.consumption is not None:
        await channels.raise_quota(tx, brand.brand_id, row.name, month_of(now, brand), state.consumption)


async def ask_state(channel: Channel) -> ChannelState:
    """What the channel answers now; an adapter that fails is a channel that does."""
    try:
        return await channel.probe()
    except (DomainError, OSError, ValueError) as error:
        return ChannelState(False, f"it cannot be asked: {type(error).__name__}")

"""The brand in whose name something runs: what every package needs to know of it, and nothing more."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from regulars.kernel.ids import BrandId
from regulars.platform.crypto import Vault


@dataclass(frozen=True, slots=True)
class Brand:
    """A tenant. `country` is the ISO 3166 code that phone numbers without a country code belong to."""

    brand_id: BrandId
    name: str
    time_zone: ZoneInfo
    currency: str
    country: str
    vault: Vault

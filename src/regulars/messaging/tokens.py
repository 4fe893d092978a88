"""Signed tokens in links: which delivery they stand in, and which address they lead to, readable by us alone.

A token is the brand, the delivery, a number and sixteen hexadecimal digits of their keyed digest, in base 64 for URLs: nobody can make
one for another delivery. `purpose` keeps a link's token from being one that unsubscribes.
"""

import base64
import binascii
import hmac
from typing import Final, NamedTuple

from regulars.kernel.ids import BrandId
from regulars.messaging.model import DeliveryId
from regulars.platform.tenancy import Brand

LINK: Final = "link"
UNSUBSCRIBE: Final = "unsubscribe"
IDENTITY: Final = "identity link"
_MAC_DIGITS: Final = 16
_TOKEN_CHARACTERS_MAX: Final = 120


class Token(NamedTuple):
    """What a token says; whether it is genuine, `is_genuine` says."""

    brand_id: BrandId
    delivery_id: DeliveryId
    number: int
    mac: str


def make_token(brand: Brand, purpose: str, delivery_id: DeliveryId, number: int = 0) -> str:
    """About 30 characters."""
    said = f"{brand.brand_id:x}.{delivery_id:x}.{number:x}"
    mac = brand.vault.digest(purpose, said)[:_MAC_DIGITS]
    return base64.urlsafe_b64encode(f"{said}.{mac}".encode()).decode().rstrip("=")


def read_token(text: str) -> Token | None:
    """What it says, or None where it is no token at all."""
    if len(text) > _TOKEN_CHARACTERS_MAX:
        return None
    try:
        said = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        brand, delivery, number, mac = said.split(".")
        return Token(BrandId(int(brand, 16)), DeliveryId(int(delivery, 16)), int(number, 16), mac)
    except (binascii.Error, ValueError):
        return None


def is_genuine(brand: Brand, purpose: str, token: Token) -> bool:
    """Whether this brand made it for this purpose."""
    said = f"{token.brand_id:x}.{token.delivery_id:x}.{token.number:x}"
    return hmac.compare_digest(brand.vault.digest(purpose, said)[:_MAC_DIGITS], token.mac)

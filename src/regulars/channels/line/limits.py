"""What LINE allows. Lengths of texts are in UTF-16 code units.

Source: Messaging API reference, read 2026-08 (message and action objects, rate limits, retrying). The sizes of Flex
Messages are as third parties give them; `/v2/bot/message/validate/push` is the word that counts.
"""

from typing import Final

from regulars.channels.pacing import Rate

OBJECTS_MAX: Final = 5
MULTICAST_MAX: Final = 500
KEY_SECONDS_MAX: Final = 24 * 3600
TEXT_MAX: Final = 5_000
ALT_TEXT_MAX: Final = 400
QUICK_REPLIES_MAX: Final = 13
LABEL_MAX: Final = 20
FLEX_LABEL_MAX: Final = 40
TEMPLATE_TEXT_MAX: Final = 160
TEMPLATE_BUTTONS_MAX: Final = 4
DATA_MAX: Final = 300
SAID_MAX: Final = 300
URI_MAX: Final = 1_000
IMAGE_URL_MAX: Final = 2_000
BUBBLES_MAX: Final = 12
BUBBLE_BYTES_MAX: Final = 30_000
CAROUSEL_BYTES_MAX: Final = 50_000
BODY_BYTES_MAX: Final = 2_000_000

RATES: Final = {
    "push": Rate(2_000, burst=200),
    "multicast": Rate(200, burst=20),
    "reply": Rate(2_000, burst=200),
}
"""Of one channel, by endpoint; LINE has no headers that tell what is left."""

"""How much a message may hold, whatever channel it goes to. What a channel allows, its adapter knows."""

from typing import Final

LANGUAGES_MAX: Final = 20
BLOCKS_MAX: Final = 20
BUTTONS_MAX: Final = 13
CARDS_MAX: Final = 12
QUICK_REPLIES_MAX: Final = 13
TEMPLATE_CHARACTERS_MAX: Final = 20_000
"""One template as it is written."""
VALUE_CHARACTERS_MAX: Final = 20_000
"""One value on its way through filters, and what one template becomes."""
LOOP_ROUNDS_MAX: Final = 1_000
LOCALS_BYTES_MAX: Final = 200_000
NUMBER_BITS_MAX: Final = 256

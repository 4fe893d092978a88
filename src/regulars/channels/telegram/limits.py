"""What Telegram allows. Lengths of texts are in UTF-16 code units.

Source: Bot API 10.3, read 2026-11; the pace is the Bots FAQ's ("about 30 messages a second"), which Telegram does not
promise: what counts is the `retry_after` it answers.
"""

from typing import Final

TEXT_MAX: Final = 4_096
CAPTION_MAX: Final = 1_024
CALLBACK_BYTES_MAX: Final = 64
BUTTONS_MAX: Final = 100
URL_MAX: Final = 2_000
ALBUM_MIN: Final = 2
ALBUM_MAX: Final = 10
CALLS_MAX: Final = 12
"""Of one content. Each call is a message of its own: a few of them stay below what a chat is allowed at once."""
MESSAGES_PER_SECOND: Final = 30.0
HELD_SECONDS_MAX: Final = 30.0
"""A content of several calls that was begun waits so long for its next one."""

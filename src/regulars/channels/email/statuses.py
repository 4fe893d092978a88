"""What a mail server's refusal says: of the address, or of the moment, the mail, the sender.

Source: RFC 3463 (enhanced status codes), RFC 5321 section 4.2.
"""

import re
from typing import Final

_ENHANCED: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS_CODES: Final = (550, 551, 553)
_MAILBOX_DISABLED: Final = (2, 1)
_NO_ROUTE: Final = (4, 4)


def find_status(text: str) -> str | None:
    """The first enhanced code, as `5.1.1`."""
    found = _ENHANCED.search(text)
    return found[0] if found else None


def is_address_dead(status: str | None, code: int | None = None) -> bool:
    """Whether nothing will ever arrive there; a full mailbox, a policy or a mail too large say no such thing.

    `code` is the three digits of the reply to a recipient, which count where there is no enhanced code.
    """
    if status is None:
        return code in _ADDRESS_CODES
    family, subject, detail = (int(part) for part in status.split("."))
    if family != 5:
        return False
    if (subject, detail) in (_MAILBOX_DISABLED, _NO_ROUTE) or subject == 1:
        return True
    return (subject, detail) in ((0, 0), (5, 0)) and code in (None, *_ADDRESS_CODES)

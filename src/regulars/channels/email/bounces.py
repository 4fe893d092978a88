"""Reports that come back: a mail that could not be delivered, and one that somebody called spam.

A mail server hands a report on by `POST /webhooks/{channel}` with the raw message as its body and the channel's webhook
secret as `Authorization: Bearer …`. Source: RFC 3464 (delivery status), RFC 5965 (feedback reports).
"""

import email
import email.policy
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

from regulars.channels.email.settings import is_address
from regulars.channels.email.statuses import find_status, is_address_dead
from regulars.messaging.errors import WebhookRefused, WebhookUnreadable
from regulars.messaging.ports import Happening, HappeningKind

_TAG: Final = re.compile(r"\+([0-9a-f]{32})@")
_TEXT_MAX: Final = 300


def read_report(secret: str | None, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Happening]:
    """What a report tells, one happening a recipient. Raises: WebhookRefused, WebhookUnreadable."""
    if secret is None:
        raise WebhookRefused("this channel has no webhook_secret, so nobody may report to it")
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    if not hmac.compare_digest(f"Bearer {secret}".encode(), given.encode("utf-8", "replace")):
        raise WebhookRefused("Authorization: Bearer … is not this channel's webhook_secret")
    mail = email.message_from_bytes(body, policy=email.policy.compat32)
    kind = mail.get_param("report-type") if mail.get_content_type() == "multipart/report" else None
    digest = hashlib.sha256(body).hexdigest()
    at = _find_date(mail, now)
    if kind == "delivery-status":
        told = list(_read_statuses(mail))
    elif kind == "feedback-report":
        told = list(_read_feedback(mail))
    else:
        raise WebhookUnreadable("this is no multipart/report of delivery-status or feedback-report")
    return [
        Happening(what, f"{digest}/{place}", address, at, data=_find_tag(mail), raw=fields)
        for place, (what, address, fields) in enumerate(told)
    ]


def _read_statuses(mail: Message) -> Iterator[tuple[HappeningKind, str, dict[str, Any]]]:
    for block in _find_blocks(mail, "message/delivery-status"):
        address = _find_address(block, "Original-Recipient", "Final-Recipient")
        action = str(block.get("Action", "")).strip().lower()
        if not address or not action:
            continue
        diagnostic = " ".join(str(block.get("Diagnostic-Code", "")).split())[:_TEXT_MAX]
        status = find_status(str(block.get("Status", ""))) or find_status(diagnostic)
        is_dead = action == "failed" and is_address_dead(status, _find_code(diagnostic))
        kind = HappeningKind.BOUNCED if is_dead else HappeningKind.OTHER
        yield kind, address, {"action": action, "status": status, "diagnostic": diagnostic}


def _read_feedback(mail: Message) -> Iterator[tuple[HappeningKind, str, dict[str, Any]]]:
    original = next(iter(_find_blocks(mail, "message/rfc822")), None)
    for block in _find_blocks(mail, "message/feedback-report"):
        address = _find_address(block, "Original-Rcpt-To", "Removal-Recipient")
        if not address and original is not None:
            address = _find_address(original, "To")
        kind = str(block.get("Feedback-Type", "")).strip().lower()
        complained = kind == "abuse" and bool(address)
        yield HappeningKind.COMPLAINED if complained else HappeningKind.OTHER, address, {"feedback_type": kind}


def _find_blocks(mail: Message, media_type: str) -> Iterator[Message]:
    """The groups of fields in parts of this type."""
    for part in mail.walk():
        if part.get_content_type() == media_type:
            payload: Any = part.get_payload()
            for block in cast("list[Any]", payload) if isinstance(payload, list) else []:
                if isinstance(block, Message):
                    yield block


def _find_address(block: Message, *names: str) -> str:
    """The first of these fields that holds an address: `rfc822; a@b`, `<a@b>` or `a@b`."""
    for name in names:
        value = str(block.get(name, "")).rpartition(";")[2].strip()
        found = re.search(r"<([^<>]+)>\s*$", value)
        address = found[1] if found else value
        if is_address(address):
            return address
    return ""


def _find_code(diagnostic: str) -> int | None:
    found = re.search(r"\b([45]\d\d)\b", diagnostic)
    return int(found[1]) if found else None


def _find_tag(mail: Message) -> str | None:
    """The key of the mail that this is about, from the return path it was sent with."""
    found = _TAG.search(" ".join(str(mail.get(name, "")) for name in ("To", "Delivered-To", "X-Original-To")))
    return found[1] if found else None


def _find_date(mail: Message, now: datetime) -> datetime:
    """When the report was written; never later than now."""
    try:
        at = parsedate_to_datetime(str(mail.get("Date", "")))
    except ValueError:
        return now
    return min(at if at.tzinfo else at.replace(tzinfo=UTC), now).astimezone(UTC)

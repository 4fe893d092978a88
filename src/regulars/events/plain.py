"""The plainest track calls, read without looking inside their properties.

Most calls are a name, an id and some properties. Their JSON has been checked by the decoder that split the batch, so the
properties go to the tail as the bytes they came as: numbers keep their digits and nothing is decoded to be encoded
again. Whatever is not quite plain is left to `segment`, which says the same of it, more slowly; a test compares them.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

_PLAIN_BYTES_MAX: Final = 4096
_NOTHING: Final = msgspec.Raw(b"{}")
# A NUL character is refused, an escaped letter may hide a name that is looked for, half a character is mended.
_ESCAPES: Final = re.compile(rb"\\u(?:00[0-7]|[dD][89a-fA-F])")
# A number may be too large for whoever reads it. With every digit a 0, E an e and no signs, a plain search finds where
# one may be: it costs a tenth of a pattern that tries each digit.
_FOLDED: Final = bytes.maketrans(b"123456789E", b"000000000e")
_EXPONENT: Final = re.compile(rb"[:\[,\s]-?[0-9][0-9.]*[eE]")
_DIGITS_MANY: Final = b"0" * 300
_NESTED: Final = 200


class PlainTrack(msgspec.Struct, gc=False):
    """A track call whose ids and instants are texts, as they nearly always are."""

    type: Literal["track"]
    event: str
    messageId: str  # noqa: N815 - the protocol's names
    userId: str | None = None  # noqa: N815
    anonymousId: str | None = None  # noqa: N815
    timestamp: str | None = None
    originalTimestamp: str | None = None  # noqa: N815
    properties: msgspec.Raw = _NOTHING
    context: msgspec.Raw = _NOTHING


_decode = msgspec.json.Decoder(PlainTrack).decode


class Suspicions(NamedTuple):
    """What may be somewhere in a request's messages: only for that each of them is searched."""

    has_lines: bool
    has_escapes: bool
    has_exponents: bool
    has_long_numbers: bool
    names_others: bool


def suspect(messages: Iterable[msgspec.Raw]) -> Suspicions:
    """Searches all messages at once, which costs little for each."""
    whole = b"\n".join(messages)
    folded = whole.translate(_FOLDED, b"+-")
    return Suspicions(
        has_lines=b'"products"' in whole or b'"items"' in whole,
        has_escapes=b"\\" in whole,
        has_exponents=b"0e0" in folded,
        has_long_numbers=_DIGITS_MANY in folded,
        names_others=b"xternalIds" in whole,
    )


def find_plain(item: msgspec.Raw, suspicions: Suspicions) -> PlainTrack | None:
    """The call, where it is of the plainest form. Shape: `item` is well-formed UTF-8 JSON, one of those suspected."""
    try:
        track = _decode(item)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
        return None
    properties = bytes(track.properties)
    if properties[:1] != b"{" or len(properties) > _PLAIN_BYTES_MAX:
        return None
    if len(properties) > 2 * _NESTED and properties.count(b"{") + properties.count(b"[") > _NESTED:
        return None
    if True in suspicions and _needs_a_look(properties, bytes(track.context), suspicions):
        return None
    return track


def _needs_a_look(properties: bytes, context: bytes, suspicions: Suspicions) -> bool:
    """Whether something inside matters; lines are counted."""
    if suspicions.has_lines and (b'"products"' in properties or b'"items"' in properties):
        return True
    if suspicions.has_escapes and (b"\\" in context or _ESCAPES.search(properties)):
        return True
    if suspicions.names_others and b"xternalIds" in context:
        return True
    if suspicions.has_exponents and _EXPONENT.search(properties):
        return True
    return suspicions.has_long_numbers and _DIGITS_MANY in properties.translate(_FOLDED)

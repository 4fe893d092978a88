"""What is answered: status, headers and bytes, and what becomes of them on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import msgspec

from regulars.kernel.errors import DomainError, Kind

Headers = list[tuple[bytes, bytes]]

JSON_HEADER = (b"content-type", b"application/json; charset=utf-8")


@dataclass(slots=True)
class Answer:
    """One response."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list[tuple[bytes, bytes]])
    media_type: bytes = b"application/json; charset=utf-8"


class ControlInvalid(DomainError):
    """What the simulator was asked cannot be done as it was asked."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "simulator.invalid"


class ControlUnknown(DomainError):
    """The simulator has no such path, account, person or message."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "simulator.unknown"


def json_answer(value: object, status: int = 200, headers: Headers | None = None) -> Answer:
    """Any value as JSON."""
    return Answer(status, msgspec.json.encode(value), headers or [])


def read_object(body: bytes, *, path: str = "/") -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object. Raises: ControlInvalid."""
    if not body.strip():
        return {}
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControlInvalid(f"the body is not JSON: {error}", path=path) from error
    if not isinstance(value, dict):
        raise ControlInvalid("the body is a JSON object", path=path)
    return cast("dict[str, Any]", value)


def read_query(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number of the query, from 1 to `most`. Raises: ControlInvalid."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise ControlInvalid(f"{name} is a whole number from 1 to {most:,}, not {text[:40]!r}", path=name)
    return int(text)

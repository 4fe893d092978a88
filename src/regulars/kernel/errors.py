"""Every error regulars raises on purpose.

    DomainError
    ├── kind   what the caller can do about it; decides the HTTP status and whether a retry can help
    ├── code   a stable dotted name that programs match on, told in docs/reference/errors.md
    └── path, suggestion, fields   where it is, what was probably meant, and the values involved

A subclass states its ``kind`` and ``code``; there is no default kind, since a guessed kind hides outages.
"""

from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What a caller can do about an error."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"


class DomainError(Exception):
    """An expected refusal; the message is one sentence that names what and where."""

    kind: ClassVar[Kind]
    code: ClassVar[str]

    def __init__(
        self, message: str, *, path: str | None = None, suggestion: str | None = None, **fields: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.suggestion = suggestion
        self.fields = fields

    def to_dict(self) -> dict[str, object]:
        """The JSON body of the contract: code and message always, path and suggestion where known."""
        body: dict[str, object] = {"code": self.code, "message": self.message}
        if self.path is not None:
            body["path"] = self.path
        if self.suggestion is not None:
            body["suggestion"] = self.suggestion
        return body

"""The members as a platform knows them: who follows, who blocked, and what their phone shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from regulars.channels.simulator.answers import ControlInvalid

PEOPLE_MAX: Final = 1_000_000
ID_CHARACTERS_MAX: Final = 100
BUBBLES_MAX: Final = 200
"""What one phone shows; the oldest go when there are more."""

Side = Literal["account", "member"]


@dataclass(slots=True, eq=False)
class Bubble:
    """One message object on a phone."""

    id: str
    at: float
    to: str
    side: Side
    kind: str
    """How it came: `push`, `reply`, `multicast`, `sendMessage`, `say` …"""
    payload: bytes
    """The message object as JSON."""
    channel: str
    account: str
    request: int
    """The number of the request that brought it; 0 where a member said it."""
    order: int
    """Grows with every bubble of the world."""
    edited: bool = False

    def read(self) -> dict[str, Any]:
        """The message object."""
        return msgspec.json.decode(self.payload, type=dict[str, Any])


@dataclass(slots=True, eq=False)
class Person:
    """One person or, on Telegram, channel; `friend` once it followed or pressed start."""

    id: str
    name: str
    language: str = "zh-TW"
    friend: bool = True
    blocked: bool = False
    received: int = 0
    """Counted messages: one for each request that reached it, however many objects it held."""
    rich_menu: str | None = None
    bubbles: list[Bubble] = field(default_factory=list[Bubble])

    @property
    def is_reached(self) -> bool:
        """Whether what is sent arrives."""
        return self.friend and not self.blocked

    def show(self, bubble: Bubble) -> None:
        """Put a message on the phone."""
        self.bubbles.append(bubble)
        if len(self.bubbles) > BUBBLES_MAX:
            del self.bubbles[: BUBBLES_MAX // 2]


class People:
    """Everybody an account may reach, in the order they were added."""

    def __init__(self) -> None:
        self._by_id: dict[str, Person] = {}
        self.order: list[Person] = []

    def __len__(self) -> int:
        return len(self.order)

    def find(self, person_id: str) -> Person | None:
        """The person, or None."""
        return self._by_id.get(person_id)

    def ensure(self, person_id: str, name: str | None = None) -> tuple[Person, bool]:
        """The person, and whether it is new. Raises: ControlInvalid."""
        known = self._by_id.get(person_id)
        if known is not None:
            return known, False
        if not 0 < len(person_id) <= ID_CHARACTERS_MAX:
            raise ControlInvalid(f"an id has 1 to {ID_CHARACTERS_MAX} characters", path="ids")
        if len(self.order) >= PEOPLE_MAX:
            raise ControlInvalid(f"at most {PEOPLE_MAX:,} people an account", path="ids")
        person = Person(person_id, name or f"會員 {len(self.order) + 1}")
        self._by_id[person_id] = person
        self.order.append(person)
        return person, True

    def list_reached(self) -> list[Person]:
        """Everybody to whom a broadcast goes."""
        return [person for person in self.order if person.is_reached]

    def find_all(self, ids: Sequence[str]) -> list[Person]:
        """Those of the ids that are known."""
        by_id = self._by_id
        return [person for one in ids if (person := by_id.get(one)) is not None]

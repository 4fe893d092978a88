"""One request to the simulator itself: what it holds, and whom it means."""

from dataclasses import dataclass
from typing import Any, Final, cast

from regulars.channels.simulator.answers import ControlInvalid, ControlUnknown, read_query
from regulars.channels.simulator.state.people import Person
from regulars.channels.simulator.state.telegram_bot import CHANNEL_ID_FIRST, TelegramBot
from regulars.channels.simulator.state.world import FIRST_ACCOUNT, Account, World

PREFIX: Final = "/_control/"
PAGE_DEFAULT, PAGE_MAX = 100, 1000
_WHO: Final = ("ids", "id", "to", "from", "user_id", "chat_id")


@dataclass(slots=True)
class Asked:
    """One request to the simulator itself."""

    world: World
    body: dict[str, Any]
    query: dict[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        """A text of the body. Raises: ControlInvalid."""
        value = self.body.get(name, default)
        if not isinstance(value, str) or not value:
            raise ControlInvalid(f"{name} is a text", path=name)
        return value

    def optional(self, name: str) -> str | None:
        """A text of the body, or None. Raises: ControlInvalid."""
        return None if self.body.get(name) is None else self.text(name)

    def account(self) -> Account:
        """The account that the body names. Raises: ControlInvalid, ControlUnknown."""
        return self.world.get_account(self.text("channel"), self.text("account", FIRST_ACCOUNT))

    def ids(self) -> list[str]:
        """Who is meant, one or many. Raises: ControlInvalid."""
        name = next((one for one in _WHO if one in self.body), "ids")
        given = self.body.get(name)
        listed = cast("list[Any]", given) if isinstance(given, list) else [given]
        good = [str(one) for one in listed if isinstance(one, str | int) and not isinstance(one, bool) and one != ""]
        if len(good) != len(listed) or not good:
            raise ControlInvalid(f"{name} names people: a text, or a list of texts", path=name)
        return good

    def people(self) -> list[Person]:
        """Those who are meant, all of them known. Raises: ControlInvalid, ControlUnknown."""
        account, found = self.account(), list[Person]()
        for one in self.ids():
            person = account.people.find(chat_number(account, one))
            if person is None:
                told = f"nobody is {one[:60]!r} on {account.name!r}: POST {PREFIX}people adds them"
                raise ControlUnknown(told, path="id")
            found.append(person)
        return found

    def person(self) -> Person:
        """The one who is meant. Raises: ControlInvalid, ControlUnknown."""
        people = self.people()
        if len(people) != 1:
            raise ControlInvalid("this is done by one person at a time", path="ids")
        return people[0]


def check_id(account: Account, person_id: str) -> None:
    """Telegram's ids are numbers. Raises: ControlInvalid."""
    if isinstance(account, TelegramBot) and not person_id.startswith("@") and not _is_whole(person_id):
        raise ControlInvalid("on telegram an id is a number, or @name of a channel", path="ids")


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 15


def chat_number(account: Account, person_id: str) -> str:
    """A channel's number for its @name, which is given one; any other id as it is."""
    if not isinstance(account, TelegramBot) or not person_id.startswith("@"):
        return person_id
    return account.channels.setdefault(person_id.lower(), str(CHANNEL_ID_FIRST - len(account.channels)))


def read_page(query: dict[str, str]) -> tuple[int, int]:
    """Where a page begins, and its length. Raises: ControlInvalid."""
    cursor = query.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 15):
        raise ControlInvalid("cursor is what the list before answered as next", path="cursor")
    return int(cursor), read_query(query, "limit", PAGE_DEFAULT, PAGE_MAX)

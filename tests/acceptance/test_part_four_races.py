"""Part 4 of the plan, its bars: one id from many, and two at once in every pairing."""

import itertools
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.rewarding import ISSUER, Rewarded, at_once, line, new_user, soon, transfer
from tests.support.serving import wait_until

pytestmark = pytest.mark.long


LATE = "2092-01-01T00:00:00.000000Z"


def test_sixteen_threads_with_one_id(books: Rewarded) -> None:
    """Twenty times, alone and in batches that hold it in other places."""
    books.put_asset()
    for _ in range(10):
        made = transfer(line(ISSUER, -10), line(books.of("a"), 10))
        results = at_once([lambda made=made: books.post_one(made)[0]] * 16)
        assert Counter(results) == {"created": 1, "exists": 15}
        other = transfer(line(ISSUER, -1), line(books.of("b"), 1))

        def batch(place: int, other: dict[str, Any] = other) -> str:
            beside = [transfer(line(ISSUER, -1), line(books.of("c"), 1)) for _ in range(15)]
            return books.post(*beside[:place], other, *beside[place:])[place]["result"]

        assert Counter(at_once([lambda n=n: batch(n) for n in range(16)])) == {"created": 1, "exists": 15}
    assert (books.figures("a")[0], books.figures("b")[0], books.figures("c")[0]) == (100, 10, 2_400)
    books.check_books()


ACTIONS = ("hold", "spend", "expire", "capture", "reverse")


@dataclass
class Scene:
    """A member with 60 that may end soon, 40 that do not, and an open hold of 30."""

    books: Rewarded
    expires: bool
    who: str = ""
    made: str = ""
    held: str = ""
    until: float = 0

    def set(self) -> "Scene":
        self.who = new_user(self.books)
        self.books.credit(self.who, 40, expires_at=LATE)
        self.held = self.books.hold(self.who, 30)["id"]
        seconds = 1.0 if self.expires else 3_600
        self.until = time.monotonic() + seconds
        self.made = self.books.credit(self.who, 60, expires_at=soon(seconds))
        return self

    def act(self, what: str) -> str:
        """What came of it."""
        books = self.books
        if what == "expire":
            time.sleep(max(0, self.until - time.monotonic() + 0.05))
            return "expired"
        if what == "hold":
            return books.hold(self.who, 65)["result"]
        if what == "spend":
            return books.post_one(books.make_spend(self.who, 65))[0]
        if what == "capture":
            return str(books.try_ask("POST", f"/api/ledger/holds/{self.held}/capture", {}).status_code)
        return books.reverse(self.made)["result"]

    def end(self) -> tuple[int, int, int]:
        """Balances, once what is over was swept."""
        if self.expires:
            wait_until(
                lambda: sum(self.books.lots(self.who).values()) == self.books.figures(self.who)[0], "it is swept"
            )
            return (0, 0, self.books.figures(self.who)[2])
        return self.books.figures(self.who)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("pair", [*itertools.combinations_with_replacement(ACTIONS, 2)], ids="-".join)
def test_two_at_once_end_as_one_after_the_other(books: Rewarded, pair: tuple[str, str]) -> None:
    """Whatever happens at the same time has an order: results and balances are those of one of the two, and books are clean."""
    books.put_asset()
    expires = "expire" in pair

    def one_after_the_other(first: int) -> tuple[str, str, tuple[int, int, int]]:
        scene = Scene(books, expires).set()
        results = ["", ""]
        for number in (first, 1 - first):
            results[number] = scene.act(pair[number])
        return results[0], results[1], scene.end()

    allowed = {one_after_the_other(0), one_after_the_other(1)}
    for _ in range(2 if expires else 12):
        scene = Scene(books, expires).set()
        first, second = at_once([lambda what=what, scene=scene: scene.act(what) for what in pair])
        assert (first, second, scene.end()) in allowed
    books.check_books()

"""Part 4 of the plan, its bars: the ledger beside a model of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rewarding import Rewarded, new_user

pytestmark = pytest.mark.long


LOTS = tuple(f"209{year}-01-01T00:00:00.000000Z" for year in range(3))


@dataclass
class Model:
    """Lots by expiry and held amount of one member: all that the ledger should be."""

    lots: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LOTS, 0))
    held: int = 0

    @property
    def posted(self) -> int:
        return sum(self.lots.values())

    def draw(self, amount: int, *, held: int = 0) -> dict[str, int] | None:
        """What each lot gives, soonest first; None: refused."""
        if amount > self.posted - self.held + held:
            return None
        drawn: dict[str, int] = {}
        for at in LOTS:
            drawn[at] = min(self.lots[at], amount - sum(drawn.values()))
            self.lots[at] -= drawn[at]
        self.held -= held
        return drawn

    def add(self, lots: dict[str, int]) -> None:
        for at, amount in lots.items():
            self.lots[at] += amount


moves = st.lists(
    st.tuples(
        st.sampled_from(["credit", "spend", "spend", "gift", "hold", "capture", "void", "refund", "again"]),
        st.integers(0, 1),
        st.integers(1, 60),
        st.sampled_from(LOTS),
    ),
    min_size=5,
    max_size=30,
)


class Life:
    """Two members and their models, moved together."""

    def __init__(self, books: Rewarded, refusals: Counter[bool]) -> None:
        self.books, self.refusals = books, refusals
        self.pair = [new_user(books) for _ in range(2)]
        self.models = [Model(), Model()]
        self.holds: list[tuple[int, str, int]] = []
        self.spends: list[tuple[int, dict[str, Any], dict[str, int]]] = []

    def credit(self, number: int, amount: int, at: str) -> None:
        self.books.credit(self.pair[number], amount, expires_at=at)
        self.models[number].lots[at] += amount

    def _move(self, number: int, made: dict[str, Any], amount: int) -> dict[str, int] | None:
        drawn = self.models[number].draw(amount)
        self.refusals[drawn is None] += 1
        assert self.books.post_one(made)[0] == ("refused" if drawn is None else "created")
        return drawn

    def spend(self, number: int, amount: int, at: str) -> None:
        made = self.books.make_spend(self.pair[number], amount)
        if drawn := self._move(number, made, amount):
            self.spends.append((number, made, drawn))

    def gift(self, number: int, amount: int, at: str) -> None:
        made = self.books.make_spend(self.pair[number], amount, to=self.books.of(self.pair[1 - number]))
        self.models[1 - number].add(self._move(number, made, amount) or {})

    def hold(self, number: int, amount: int, at: str) -> None:
        model = self.models[number]
        told = self.books.hold(self.pair[number], amount)
        fits = amount <= model.posted - model.held
        assert told["result"] == ("created" if fits else "refused")
        if fits:
            model.held += amount
            self.holds.append((number, told["id"], amount))

    def capture(self, number: int, amount: int, at: str) -> None:
        for owner, hold, held in self.holds[:1]:
            self.books.capture(hold, min(held, amount))
            self.models[owner].draw(min(held, amount), held=held)
        del self.holds[:1]

    def void(self, number: int, amount: int, at: str) -> None:
        for owner, hold, held in self.holds[:1]:
            self.books.void(hold)
            self.models[owner].held -= held
        del self.holds[:1]

    def refund(self, number: int, amount: int, at: str) -> None:
        for owner, made, drawn in self.spends[:1]:
            assert self.books.reverse(made["id"])["result"] == "created"
            self.models[owner].add(drawn)
        del self.spends[:1]

    def again(self, number: int, amount: int, at: str) -> None:
        for _, made, _ in self.spends[:1]:
            assert self.books.post_one(made)[0] == "exists"

    def check(self, what: str) -> None:
        for one, wanted in zip(self.pair, self.models, strict=True):
            assert self.books.figures(one) == (wanted.posted, wanted.held, wanted.posted - wanted.held), what

    def end(self) -> None:
        """Which lots a held amount is of is the ledger's affair; their sum is not."""
        for one, wanted in zip(self.pair, self.models, strict=True):
            lots = self.books.lots(one)
            assert sum(lots.values()) == wanted.posted
            if not self.had_holds:
                assert lots == {at: left for at, left in wanted.lots.items() if left}

    had_holds = False


@pytest.mark.timeout(900)
def test_the_ledger_does_what_the_model_does(books: Rewarded) -> None:
    """Forty lives of two members; after every move both have the model's balances, at the end its lots, and clean books."""
    books.put_asset()
    refusals: Counter[bool] = Counter()

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(moves)
    def live(found: list[tuple[str, int, int, str]]) -> None:
        life = Life(books, refusals)
        for what, number, amount, at in found:
            getattr(life, what)(number, amount, at)
            life.had_holds = life.had_holds or bool(life.holds)
            life.check(what)
        life.end()

    live()
    assert min(refusals.values()) > 5 and len(refusals) == 2, "both spent and refused: the moves bite"
    books.check_books()

"""Price plans: what a channel's messages cost, as data with dates.

A plan has a fee a month, messages included, and what one more costs, in steps; `extra: null` is nothing beyond the included.
A channel has several plans to choose from and one that is in force. The period is the brand's calendar month. Amounts are
decimals of the brand's currency and are never rounded here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import msgspec

from regulars.messaging.errors import PricePlanInvalid

PLANS_MAX: Final = 100
STEPS_MAX: Final = 50
MESSAGES_MAX: Final = 10**12
_PRICE_MAX: Final = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class PriceStep:
    """Extra messages up to the `up_to`-th (None: all further ones) cost `price` each."""

    up_to: int | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class PricePlan:
    """One plan as it is sold between two days; `steps` empty: nothing beyond `included`."""

    code: str
    valid_from: date
    valid_to: date | None
    fee: Decimal
    included: int
    steps: tuple[PriceStep, ...] = ()

    @property
    def messages_max(self) -> int | None:
        """How many messages a month has at all; None: as many as one pays for."""
        if not self.steps:
            return self.included
        last = self.steps[-1].up_to
        return None if last is None else self.included + last

    def is_sold_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def price_of(self, ordinal: int) -> Decimal | None:
        """What the month's `ordinal`-th message costs, counted from 0; None where there is none to be had."""
        extra = ordinal - self.included
        if extra < 0:
            return Decimal(0)
        for step in self.steps:
            if step.up_to is None or extra < step.up_to:
                return step.price
        return None

    def cost_of(self, messages: int) -> Decimal:
        """What so many messages of a month cost beyond the fee. At most `messages_max` of them are counted."""
        left, cost, done = max(0, messages - self.included), Decimal(0), 0
        for step in self.steps:
            taken = left if step.up_to is None else min(left, step.up_to - done)
            cost += taken * step.price
            left, done = left - taken, done + taken
        return cost


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All plans of a channel, and the code of the one in force."""

    current: str
    plans: tuple[PricePlan, ...]

    def on(self, day: date) -> PricePlan:
        """The plan in force, as it is sold on that day, else in its latest version before, else its first."""
        mine = sorted((plan for plan in self.plans if plan.code == self.current), key=lambda plan: plan.valid_from)
        sold = [plan for plan in mine if plan.is_sold_on(day)]
        if sold:
            return sold[-1]
        return ([plan for plan in mine if plan.valid_from <= day] or mine[:1])[-1]

    def list_sold(self, day: date) -> list[PricePlan]:
        """What may be chosen on that day, in the order of the book."""
        return [plan for plan in self.plans if plan.is_sold_on(day)]


class _StepBody(msgspec.Struct, forbid_unknown_fields=True):
    up_to: int | None
    price: str


class _PlanBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    valid_from: date
    fee: str
    included: int
    valid_to: date | None = None
    extra: list[_StepBody] | None = None


class _BookBody(msgspec.Struct, forbid_unknown_fields=True):
    current: str
    plans: list[_PlanBody]


def parse_price_book(body: object) -> PriceBook:
    """From the contract's JSON. Raises: PricePlanInvalid with the path."""
    read = _convert(body, _BookBody)
    if len(read.plans) > PLANS_MAX:
        raise PricePlanInvalid(f"there are more than {PLANS_MAX} plans", path="/plans")
    book = PriceBook(read.current, tuple(_parse_plan(plan, f"/plans/{at}") for at, plan in enumerate(read.plans)))
    codes = [plan.code for plan in book.plans]
    if book.current not in codes:
        raise PricePlanInvalid(
            f"no plan has the code {book.current[:40]!r}", path="/current", suggestion=codes[0] if codes else None
        )
    return book


def parse_price_plan(body: object) -> PricePlan:
    """One plan of a book. Raises: PricePlanInvalid."""
    return _parse_plan(_convert(body, _PlanBody), "")


def book_to_json(book: PriceBook) -> dict[str, Any]:
    """The book as the contract shows it."""
    return {"current": book.current, "plans": [price_plan_to_json(plan) for plan in book.plans]}


def price_plan_to_json(plan: PricePlan) -> dict[str, Any]:
    """One of its plans."""
    extra = [{"up_to": step.up_to, "price": str(step.price)} for step in plan.steps]
    return {
        "code": plan.code,
        "valid_from": plan.valid_from.isoformat(),
        "valid_to": plan.valid_to and plan.valid_to.isoformat(),
        "fee": str(plan.fee),
        "included": plan.included,
        "extra": extra or None,
    }


_Body = TypeVar("_Body", _BookBody, _PlanBody)


def _convert(body: object, form: type[_Body]) -> _Body:
    try:
        return msgspec.convert(body, form)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise PricePlanInvalid(
            message, path=path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "") or "/"
        ) from error


def _parse_plan(body: _PlanBody, path: str) -> PricePlan:
    if not body.code or len(body.code) > 100:
        raise PricePlanInvalid("a code has 1–100 characters", path=f"{path}/code")
    if body.valid_to is not None and body.valid_to < body.valid_from:
        raise PricePlanInvalid("the plan ends before it begins", path=f"{path}/valid_to")
    if not 0 <= body.included <= MESSAGES_MAX:
        raise PricePlanInvalid(f"included is from 0 to {MESSAGES_MAX}", path=f"{path}/included", suggestion="3000")
    steps = tuple(
        PriceStep(step.up_to, parse_amount(step.price, f"{path}/extra/{at}/price"))
        for at, step in enumerate(body.extra or ())
    )
    _check_steps(steps, f"{path}/extra")
    fee = parse_amount(body.fee, f"{path}/fee")
    return PricePlan(body.code, body.valid_from, body.valid_to, fee, body.included, steps)


def _check_steps(steps: Sequence[PriceStep], path: str) -> None:
    if len(steps) > STEPS_MAX:
        raise PricePlanInvalid(f"there are more than {STEPS_MAX} steps", path=path)
    before = 0
    for at, step in enumerate(steps):
        if step.up_to is None and at < len(steps) - 1:
            raise PricePlanInvalid("only the last step has no end", path=f"{path}/{at}/up_to")
        if step.up_to is not None and not before < step.up_to <= MESSAGES_MAX:
            raise PricePlanInvalid(f"a step ends above the one before, at {before}", path=f"{path}/{at}/up_to")
        before = step.up_to or before


def parse_amount(text: str, path: str) -> Decimal:
    """A decimal of the brand's currency, zero or more, with at most six decimals. Raises: PricePlanInvalid."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    exponent = amount.as_tuple().exponent
    if not amount.is_finite() or not 0 <= amount <= _PRICE_MAX or not isinstance(exponent, int) or exponent < -6:
        raise PricePlanInvalid(
            f"{text[:40]!r} is no amount such as 0.20, with at most six decimals", path=path, suggestion="0.20"
        )
    return amount

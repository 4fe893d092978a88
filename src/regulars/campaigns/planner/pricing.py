"""What so many messages cost on a channel, cut into pieces on which one more never costs less than the one before.

A price plan's cost is a broken line: nothing up to what is included, then steps whose price may rise or fall. Where prices
only rise the line is convex, and one dual price finds the best number of messages. Where a price falls a new piece begins;
pieces, and the plans one may choose from, are enumerated (solve.py). With budgets every step is a piece of its own, because a
campaign's budget is charged the price of its step.
"""

from dataclasses import dataclass
from typing import Final

from regulars.campaigns.planner.model import Channel, to_micros
from regulars.messaging.prices import PricePlan

FREE: Final = ((float("inf"), 0),)


@dataclass(frozen=True, slots=True)
class Piece:
    """The plan's messages from `breaks[0]` to `breaks[-1]`; those up to `breaks[i + 1]` cost `prices[i]` micros each.

    `plan` is the index in the channel's plans, -1 without any. `base_micros` is the cost of the first `breaks[0]` messages.
    `charge_micros` is the highest price up to here, what a budget is charged for each message. `fee_micros` is 0 where there
    is no choice of plans: what is paid anyhow moves nothing.
    """

    plan: int
    breaks: tuple[float, ...]
    prices: tuple[int, ...]
    base_micros: int
    charge_micros: int
    fee_micros: int

    def conjugate(self, price_micros: float) -> float:
        """max over n in the piece of n × price − cost(n), in micros: what the quota is worth at a price."""
        gain = self.breaks[0] * price_micros - self.base_micros
        for width, step in zip(self.widths, self.prices, strict=True):
            if price_micros > step:
                gain += width * (price_micros - step)
        return gain

    @property
    def widths(self) -> tuple[float, ...]:
        """Messages of each step."""
        return tuple(after - before for before, after in zip(self.breaks[:-1], self.breaks[1:], strict=True))


def list_steps(plan: PricePlan | None, used: int) -> list[tuple[float, int]]:
    """How many messages are to be had at which price (micros), in order, after `used` went before."""
    if plan is None:
        return list(FREE)
    steps: list[tuple[float, int]] = [(float(plan.included), 0)]
    before = 0
    for step in plan.steps:
        end = float("inf") if step.up_to is None else float(step.up_to)
        steps.append((end - before, to_micros(step.price, "price")))
        before = step.up_to or 0
    left = float(used)
    kept: list[tuple[float, int]] = []
    for width, price in steps:
        gone = min(left, width)
        left -= gone
        if width > gone:
            kept.append((width - gone, price))
    return kept


def list_pieces(channel: Channel, *, single_price: bool) -> list[Piece]:
    """All pieces of all plans of a channel; with `single_price` each step is one."""
    if not channel.plans:
        return _cut(list(FREE), -1, 0, single_price)
    choice = len(channel.plans) > 1
    return [
        piece
        for at, plan in enumerate(channel.plans)
        for piece in _cut(list_steps(plan, channel.used), at, to_micros(plan.fee, "fee") if choice else 0, single_price)
    ]


def _cut(steps: list[tuple[float, int]], plan: int, fee_micros: int, single_price: bool) -> list[Piece]:
    runs: list[list[tuple[float, int]]] = []
    for width, price in steps:
        if runs and not single_price and price >= runs[-1][-1][1]:
            runs[-1].append((width, price))
        else:
            runs.append([(width, price)])
    pieces: list[Piece] = []
    start, cost, highest = 0.0, 0, 0
    for run in runs or [[(0.0, 0)]]:
        breaks, base = [start], cost
        for width, price in run:
            start += width
            breaks.append(start)
            highest = max(highest, price)
            cost += 0 if start == float("inf") else int(width) * price
        pieces.append(Piece(plan, tuple(breaks), tuple(price for _, price in run), base, highest, fee_micros))
    return pieces


def expected_cost_micros(steps: list[tuple[float, int]], messages: float) -> float:
    """What so many messages cost, in micros; the number may be an expected one."""
    cost, left = 0.0, messages
    for width, price in steps:
        taken = min(left, width)
        cost += taken * price
        left -= taken
    return cost

"""For each member the best message that is not sent, and what stands against it.

Best is by what it would bring beyond its price. What stands against it is asked in this order: it is not worth its price; the
member's caps leave no room at all; nothing of it is left after the prices of the shared limits, of which the dearest is
named; else other messages took the member's place.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.planner.choosing import Limits, make_limits
from regulars.campaigns.planner.model import MICROS, Bools, Floats, Ints
from regulars.campaigns.planner.plan import Plan


class Reason(IntEnum):
    """Why a message is not sent."""

    NOTHING = 0
    """There is no other message that may be sent to the member."""
    PRICE = 1
    """It costs more than it brings."""
    CAP = 2
    """The member may get none."""
    OUTVALUED = 3
    """Others of the member's messages bring more, and caps leave no further place."""
    QUOTA = 4
    """Others bring more by that channel's messages, of which there are too few."""
    SIZE = 5
    """Others bring more by that campaign, which is full."""
    BUDGET = 6
    """The campaign's budget brings more elsewhere."""
    DROPPED = 7
    """The campaign could not reach its least size, or may send nothing."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """One row a member asked about. `campaign` and `channel` are -1 where there is nothing; `net_micros` is value − price."""

    member: Ints
    campaign: NDArray[np.int16]
    channel: NDArray[np.int16]
    net_micros: Ints
    reason: NDArray[np.int8]


def explain_unsent(plan: Plan, members: Ints | None = None) -> Unsent:
    """Each member's best unsent message; of all members, or of some by index."""
    problem = plan.problem
    members = np.arange(problem.members) if members is None else members
    count = len(members)
    taken, held = _taken(plan, members)
    best, campaign = np.full(count, -np.inf), np.full(count, -1, dtype=np.int16)
    channel, cost = np.full(count, -1, dtype=np.int16), plan.costs
    for c in range(len(problem.campaigns)):
        for k in range(len(problem.channels)):
            net = problem.values[c, k, members].astype(np.float64) - cost[c, k]
            better = (net > best) & ~taken[c]
            best[better], campaign[better], channel[better] = net[better], c, k
    found = campaign >= 0
    reason = np.zeros(count, dtype=np.int8)
    reason[found] = _reasons(plan, members[found], campaign[found], channel[found], best[found], held[:, found])
    net_micros = np.rint(np.where(found, best, 0.0) * MICROS).astype(np.int64)
    return Unsent(members, campaign, channel, net_micros, reason)


def _taken(plan: Plan, members: Ints) -> tuple[Bools, NDArray[Any]]:
    """Which campaigns the members get, and how many messages by group of caps, the last row over all."""
    problem, rows = plan.problem, plan.assignments
    place = np.full(problem.members, -1, dtype=np.int64)
    place[members] = np.arange(len(members))
    mine = place[rows.member] >= 0
    at, campaign = place[rows.member[mine]], rows.campaign[mine]
    taken = np.zeros((len(problem.campaigns), len(members)), dtype=np.bool_)
    taken[campaign, at] = True
    groups = make_limits(problem).groups
    held = [taken[list(group.campaigns)].sum(axis=0) for group in groups]
    return taken, np.array([*held, taken.sum(axis=0)])


def _reasons(
    plan: Plan, members: Ints, campaign: NDArray[np.int16], channel: NDArray[np.int16], net: Floats, held: NDArray[Any]
) -> NDArray[np.int8]:
    limits = make_limits(plan.problem)
    none, full = _caps_of(limits, members, campaign, held)
    pressing, dearest = _dearest(plan)
    value = net + plan.costs[campaign, channel]
    left = plan.problem.share * value - plan.theta[campaign, channel]
    priced = (pressing[campaign, channel] > 0) & (~full | (left <= 0))
    reason = np.where(full, Reason.OUTVALUED, _full_kinds(plan)[campaign, channel])
    reason = np.where(priced, dearest[campaign, channel], reason)
    reason = np.where(none, Reason.CAP, reason)
    reason = np.where(net <= 0, Reason.PRICE, reason)
    dropped = np.isin(campaign, sorted(plan.branch.dropped))
    return np.where(dropped, Reason.DROPPED, reason).astype(np.int8)


def _dearest(plan: Plan) -> tuple[Floats, NDArray[np.int64]]:
    """What the dearest shared limit takes of each campaign and channel beyond its price, and which kind it is."""
    problem, shadow = plan.problem, plan.shadow_prices
    shape = (len(problem.campaigns), len(problem.channels))
    quota = [shadow.get(f"quota:{channel.name}", 0.0) for channel in problem.channels]
    size = [shadow.get(f"size:{campaign.name}", 0.0) for campaign in problem.campaigns]
    budget = [shadow.get(f"budget:{campaign.name}", 0.0) for campaign in problem.campaigns]
    charges = [piece.charge_micros / MICROS for piece in plan.branch.pieces]
    kinds = np.array(
        [
            np.broadcast_to(np.array(quota)[None, :], shape),
            np.broadcast_to(np.array(size)[:, None], shape),
            np.outer(budget, charges),
        ]
    )
    return kinds.max(axis=0), np.array([Reason.QUOTA, Reason.SIZE, Reason.BUDGET])[kinds.argmax(axis=0)]


def _full_kinds(plan: Plan) -> NDArray[np.int64]:
    """Which limit has no room for one more, by campaign and channel; where all have, one more would cost the next step's price."""
    problem, rows = plan.problem, plan.assignments
    shares = problem.shares
    spent = np.bincount(rows.campaign, weights=rows.price_micros, minlength=len(problem.campaigns)) / MICROS
    kinds = np.full((len(problem.campaigns), len(problem.channels)), int(Reason.PRICE))
    for c, one in enumerate(problem.campaigns):
        charges = np.array([piece.charge_micros / MICROS for piece in plan.branch.pieces])
        if one.budget is not None:
            kinds[c, spent[c] + charges * shares[c] > float(one.budget)] = Reason.BUDGET
        if one.size_max is not None and (np.count_nonzero(rows.campaign == c) + 1) * shares[c] > one.size_max:
            kinds[c] = Reason.SIZE
    for k, channel in enumerate(problem.channels):
        price_plan = plan.price_plan(k)
        going = float(shares[rows.campaign[rows.channel == k]].sum())
        if price_plan is not None and price_plan.messages_max is not None:
            kinds[channel.used + going + shares > price_plan.messages_max, k] = Reason.QUOTA
    return kinds


def _caps_of(limits: Limits, members: Ints, campaign: NDArray[np.int16], held: NDArray[Any]) -> tuple[Bools, Bools]:
    """Whether a member's caps allow none of a campaign, and whether what they allow is used up."""
    none = np.zeros(len(members), dtype=np.bool_)
    full = np.zeros(len(members), dtype=np.bool_)
    for at, group in enumerate(limits.groups):
        if group.remaining is not None:
            mine = np.isin(campaign, group.campaigns)
            none |= mine & (group.remaining[members] <= 0)
            full |= mine & (group.remaining[members] <= held[at])
    if limits.overall is not None:
        none |= limits.overall[members] <= 0
        full |= limits.overall[members] <= held[-1]
    return none, full

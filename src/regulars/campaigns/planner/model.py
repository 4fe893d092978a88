"""What is to be planned: members, campaigns and channels as arrays, and the limits they share.

A *cell* is one campaign on one channel for one member. Its value is the incremental value of contacting that member so, in
the brand's currency; -inf where the message may not be sent at all (audience, consent, reachability, preferences). Money
inside the planner is whole *micros*, 10⁻⁶ of the currency: sums are exact, and so is a price of at most six decimals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.planner.errors import ProblemInvalid, ProblemTooLarge
from regulars.messaging.prices import PricePlan

MICROS: Final = 1_000_000
CAMPAIGNS_MAX: Final = 200
CHANNELS_MAX: Final = 24
CELLS_MAX: Final = 400_000_000
# Far above any message's worth; sums of whole micros stay exact in float64 (2**53) for millions of members.
VALUE_MAX: Final = 1_000_000.0

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign's own limits.

    `size_min`: so many messages at least, or none at all; `size_max`, `budget`: at most. Both count messages that go, not
    withheld ones. `going_share` is the expected share of its assignments that is not withheld by a holdout.
    """

    name: str
    topic: str | None = None
    size_min: int = 0
    size_max: int | None = None
    budget: Decimal | None = None
    going_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Channel:
    """What one more message on it costs.

    `plans`: the price plans the planner may choose from, one when it may not choose; none: free and without a quota. `used`
    messages of the same period went before. A plan over two months has each channel twice, once a period, as two channels.
    """

    name: str
    plans: tuple[PricePlan, ...] = ()
    used: int = 0


@dataclass(frozen=True, slots=True)
class Cap:
    """How many more deliveries each member may get in the plan's window; of one topic, or of all (None).

    `remaining` has one number a member. Several caps of one topic are all kept; one of a topic that no campaign has says
    nothing. Withheld deliveries count.
    """

    topic: str | None
    remaining: NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Problem:
    """All of it. Shapes: `values` [campaign, channel, member], float32 or float64; `withheld` [campaign, member].

    `withheld` says which assignments a holdout will keep back. It never moves a choice: only totals of it are read, so that
    no quota is exceeded as the arms were drawn. Without it the figures are expected ones.
    """

    campaigns: tuple[Campaign, ...]
    channels: tuple[Channel, ...]
    values: NDArray[np.floating[Any]]
    caps: tuple[Cap, ...] = ()
    withheld: Bools | None = None

    @property
    def members(self) -> int:
        """How many."""
        return self.values.shape[2]

    @property
    def shares(self) -> Floats:
        """The share that goes, by campaign."""
        return np.array([campaign.going_share for campaign in self.campaigns], dtype=np.float64)

    @property
    def share(self) -> float:
        """The share at which every campaign's value counts.

        It is one for all: a campaign that holds more members out for its experiment is not passed over for it.
        """
        return float(self.shares.mean()) if self.campaigns else 1.0


def to_micros(amount: Decimal, path: str) -> int:
    """Whole micros. Raises: ProblemInvalid for more than six decimals."""
    micros = amount * MICROS
    if micros != micros.to_integral_value():
        raise ProblemInvalid(f"{amount} has more than six decimals", path=path)
    return int(micros)


def values_from_candidates(
    shape: tuple[int, int, int],
    campaign: NDArray[np.integer[Any]],
    channel: NDArray[np.integer[Any]],
    member: NDArray[np.integer[Any]],
    value: NDArray[np.floating[Any]],
) -> NDArray[np.floating[Any]]:
    """The array of values from columns, one row a candidate; shape is (campaigns, channels, members).

    Raises: ProblemInvalid for an index outside of the shape, or a cell that is named twice.
    """
    for name, indexes, size in zip(("campaign", "channel", "member"), (campaign, channel, member), shape, strict=True):
        if len(indexes) and not (int(indexes.min()) >= 0 and int(indexes.max()) < size):
            raise ProblemInvalid(f"a {name} index is outside of 0 … {size - 1}", path=name)
    values = np.full(shape, -np.inf, dtype=value.dtype)
    values[campaign, channel, member] = value
    if int(np.count_nonzero(values != -np.inf)) < int(np.count_nonzero(value != -np.inf)):
        raise ProblemInvalid("a campaign, channel and member are named together more than once", path="member")
    return values


def check_problem(problem: Problem) -> None:
    """Look at everything a plan rests on. Raises: ProblemInvalid, ProblemTooLarge."""
    _check_shapes(problem)
    _check_names([campaign.name for campaign in problem.campaigns], "campaigns")
    _check_names([channel.name for channel in problem.channels], "channels")
    for at, campaign in enumerate(problem.campaigns):
        _check_campaign(campaign, f"campaigns/{at}")
    for at, channel in enumerate(problem.channels):
        if channel.used < 0:
            raise ProblemInvalid(f"{channel.used} messages were used of {channel.name!r}", path=f"channels/{at}/used")
        for plan in channel.plans:
            to_micros(plan.fee, f"channels/{at}/plans")
            for step in plan.steps:
                to_micros(step.price, f"channels/{at}/plans")
    for at, cap in enumerate(problem.caps):
        if cap.remaining.shape != (problem.members,):
            raise ProblemInvalid(
                f"a cap has {cap.remaining.shape} numbers for {problem.members} members", path=f"caps/{at}"
            )


def _check_shapes(problem: Problem) -> None:
    campaigns, channels, members = len(problem.campaigns), len(problem.channels), problem.values.shape[-1]
    if problem.values.shape != (campaigns, channels, members):
        raise ProblemInvalid(
            f"values have the shape {problem.values.shape}, campaigns × channels are {campaigns} × {channels}",
            path="values",
        )
    if problem.values.dtype.name not in ("float32", "float64"):
        raise ProblemInvalid(f"values are float32 or float64, not {problem.values.dtype}", path="values")
    if campaigns > CAMPAIGNS_MAX or channels > CHANNELS_MAX or problem.values.size > CELLS_MAX:
        raise ProblemTooLarge(
            f"{campaigns} campaigns × {channels} channels × {members} members are more than {CAMPAIGNS_MAX}, "
            f"{CHANNELS_MAX} or {CELLS_MAX} cells in all",
            path="values",
        )
    if problem.withheld is not None and problem.withheld.shape != (campaigns, members):
        raise ProblemInvalid(f"withheld has the shape {problem.withheld.shape}", path="withheld")
    for row in problem.values.reshape(campaigns * channels, members):
        # A maximum with NaN in it is NaN, and compares as false.
        if members and not float(row.max()) <= VALUE_MAX:
            raise ProblemInvalid(f"a value is no number, or above {VALUE_MAX:,.0f}", path="values")


def _check_names(names: Sequence[str], path: str) -> None:
    for at, name in enumerate(names):
        if name in names[:at]:
            raise ProblemInvalid(f"{name!r} is named twice", path=f"{path}/{at}")


def _check_campaign(campaign: Campaign, path: str) -> None:
    if not 0 < campaign.going_share <= 1:
        raise ProblemInvalid(f"the share that goes is {campaign.going_share}", path=f"{path}/going_share")
    if campaign.size_min < 0 or (campaign.size_max is not None and campaign.size_max < 0):
        raise ProblemInvalid("a size is below zero", path=f"{path}/size")
    if campaign.size_max is not None and campaign.size_max < campaign.size_min:
        raise ProblemInvalid(f"at least {campaign.size_min} and at most {campaign.size_max}", path=f"{path}/size")
    if campaign.budget is not None:
        if campaign.budget < 0:
            raise ProblemInvalid(f"the budget is {campaign.budget}", path=f"{path}/budget")
        to_micros(campaign.budget, f"{path}/budget")

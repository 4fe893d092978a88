"""A randomised experiment of any origin: arms, outcomes, and each arm compared with the one that got nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from regulars.campaigns.estimating.intervals import LEVEL
from regulars.campaigns.estimating.moments import Counts, Moments
from regulars.measure.errors import ControlUnknown, OneArm, ShareInvalid
from regulars.measure.lift import Lift, compare_counts, compare_means
from regulars.measure.variants import SampleRatio, adjust_holm, compare_shares


@dataclass(slots=True)
class Arm:
    """One arm: moments by outcome in the experiment's order, and how many did, where an outcome is 0 or 1."""

    members: int
    moments: list[Moments]
    converted: list[int]


@dataclass(slots=True)
class Experiment:
    """What was read. ``is_rate``: whether every value of an outcome was 0 or 1, and both were seen."""

    outcomes: Sequence[str]
    has_covariate: bool
    arms: dict[str, Arm] = field(default_factory=dict[str, Arm])
    is_rate: list[bool] = field(default_factory=list[bool])


@dataclass(frozen=True, slots=True)
class Result:
    """An arm's lift over the control in one outcome. ``p_adjusted`` holds for all arms of that outcome together (Holm)."""

    arm: str
    outcome: str
    treated_members: int
    control_members: int
    lift: Lift
    p_adjusted: float | None

    def to_dict(self) -> dict[str, Any]:
        """The contract's fields first; None where nothing can be said."""
        found = self.lift.estimate
        assert found is not None, "both arms have members"
        return {
            "arm": self.arm,
            "outcome": self.outcome,
            "treated_mean": found.treated_mean,
            "control_mean": found.withheld_mean,
            "absolute": found.absolute,
            "interval": None if found.interval is None else list(found.interval),
            "relative": found.relative,
            "p": found.p,
            "level": found.level,
            "method": found.method,
            "relative_interval": None if found.relative_interval is None else list(found.relative_interval),
            "p_adjusted": self.p_adjusted,
            "treated_members": self.treated_members,
            "control_members": self.control_members,
            "verdict": str(self.lift.verdict),
            "needs_members": self.lift.needs_members,
            "variance_removed": found.variance_removed,
        }


def analyse(experiment: Experiment, control: str, *, level: float = LEVEL) -> list[Result]:
    """Every other arm against the control, outcome by outcome; arms by name.

    Raises: ControlUnknown, OneArm.
    """
    check_control(experiment, control)
    withheld = experiment.arms[control]
    names = sorted(name for name in experiment.arms if name != control)
    results: list[Result] = []
    for at, outcome in enumerate(experiment.outcomes):
        lifts = [_compare(experiment, experiment.arms[name], withheld, at, level) for name in names]
        adjusted = adjust_holm([lift.estimate.p if lift.estimate else None for lift in lifts])
        results += [
            Result(name, outcome, experiment.arms[name].members, withheld.members, lift, p)
            for name, lift, p in zip(names, lifts, adjusted, strict=True)
        ]
    return results


def check_control(experiment: Experiment, control: str) -> None:
    """Raises: ControlUnknown, OneArm."""
    names = sorted(experiment.arms)
    shown = ", ".join(f"{name!r} ({experiment.arms[name].members:,})" for name in names)
    if control not in experiment.arms:
        close = find_close(control, names)
        raise ControlUnknown(
            f"No row is of the control arm {control!r}. Arms: {shown}.", path="control", suggestion=close
        )
    if len(names) < 2:
        raise OneArm(f"All rows are of one arm, {shown}: there is nothing to compare it with.", path="arm")


def find_close(name: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant."""
    folded = {one.casefold(): one for one in names}
    close = get_close_matches(name.casefold(), folded, 1, 0.5)
    return folded[close[0]] if close else None


def _compare(experiment: Experiment, treated: Arm, withheld: Arm, at: int, level: float) -> Lift:
    """A rate by counts, unless a covariate is to be taken out and counts are large enough for it."""
    if experiment.is_rate[at]:
        lift = compare_counts(
            Counts(treated.members, treated.converted[at]),
            Counts(withheld.members, withheld.converted[at]),
            level=level,
        )
        is_small = lift.estimate is not None and lift.estimate.method == "score"
        if is_small or not experiment.has_covariate:
            return lift
    return compare_means(treated.moments[at], withheld.moments[at], level=level, has_covariate=experiment.has_covariate)


def find_sample_ratio(experiment: Experiment, weights: Mapping[str, float]) -> SampleRatio | None:
    """Whether each arm holds the share of members it was drawn for; None where no shares are told.

    Raises: ShareInvalid.
    """
    if not weights:
        return None
    members = {name: arm.members for name, arm in sorted(experiment.arms.items())}
    for name in members.keys() ^ weights.keys():
        told = "has no rows" if name in weights else "has no share"
        raise ShareInvalid(f"--share: the arm {name!r} {told}. Arms: {', '.join(map(repr, members))}.", path="share")
    return compare_shares(members, weights)

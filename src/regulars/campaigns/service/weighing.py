"""What a plan is shown beside: simpler ways to choose under the same limits, and all of them where values are misjudged.

Values are guesses. So every way chooses once from the values as they are, and once from values that are off by a log-normal
factor (`NOISE_SIGMA`), and what it then chose is weighed in the values as they are.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from regulars.campaigns.planner import (
    Baseline,
    Plan,
    Prepared,
    prepare,
    rank_first_come,
    solve,
    take_greedily,
    with_noise,
)
from regulars.campaigns.planner.baselines import weigh_choice
from regulars.campaigns.planner.choosing import Chosen
from regulars.campaigns.planner.plan import expected_costs_micros
from regulars.campaigns.summary import Beside

NOISE_SIGMA: Final = 1.0
WAYS: Final[tuple[tuple[str, Callable[[Prepared, Plan], Baseline]], ...]] = (
    ("ranked", rank_first_come),
    ("greedy", take_greedily),
)
"""Each campaign in its turn takes whoever is worth most to it; the most valuable message of all first, and so on down."""


def list_beside(prepared: Prepared, plan: Plan) -> list[Beside]:
    """Baselines without and with noise, and the planner itself with it."""
    problem = prepared.problem
    rows = [_weigh(method, False, prepared, plan, way(prepared, plan).chosen) for method, way in WAYS]
    noisy = prepare(with_noise(problem, sigma=NOISE_SIGMA, seed=prepared.seed), seed=prepared.seed)
    misled = solve(noisy)
    rows += [_weigh(method, True, prepared, misled, way(noisy, misled).chosen) for method, way in WAYS]
    return [*rows, _weigh("planner", True, prepared, misled, _chosen(misled))]


def _chosen(plan: Plan) -> Chosen:
    rows, channels = plan.assignments, len(plan.problem.channels)
    cell = rows.campaign.astype(np.int64) * channels + rows.channel.astype(np.int64)
    return Chosen(rows.member.astype(np.int64), cell, rows.value_micros.astype(np.float64))


def _weigh(method: str, noise: bool, prepared: Prepared, plan: Plan, chosen: Chosen) -> Beside:
    problem = prepared.problem
    going = problem.shares[chosen.cell // len(problem.channels)].sum()
    costs: Sequence[float] = expected_costs_micros(problem, plan.branch, chosen)
    net = weigh_choice(problem, plan.branch, chosen)
    return Beside(method, noise, round(float(going)), round(sum(costs)), round(net))

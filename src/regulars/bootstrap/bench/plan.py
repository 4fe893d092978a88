"""Plans for a million members: how fast, how near to the bound, and how much more than without a planner.

Ours: from the values in memory to the assignments in memory, the copy of the values included. Reading members from the
database and writing assignments to it are told apart (plan_stored.py). Beside it, under the same limits and prices: first
come first served, ranked (over several orders of the campaigns) and random, and one greedy over all messages; the same once
more with values that are only believed, weighed by the true ones; and general solvers on a sample.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from regulars.bootstrap.bench.memory import forget_memory_peak, memory_peak_mib
from regulars.bootstrap.bench.plan_others import solve_by_highs, solve_by_pdlp, write_programme
from regulars.bootstrap.bench.plan_problems import CAP, KINDS, PRICES, make_problem
from regulars.bootstrap.bench.plan_stored import StoredTimes, measure_stored
from regulars.bootstrap.bench.report import BenchResult, Say, growth_exponent, middle
from regulars.campaigns.planner import (
    MICROS,
    Plan,
    Prepared,
    Problem,
    prepare,
    random_first_come,
    rank_first_come,
    solve,
    take_greedily,
    with_noise,
)
from regulars.campaigns.planner.choosing import Chosen
from regulars.campaigns.planner.plan import expected_objective_micros

BAR: Final = 1.25
GAP_MAX: Final = 1e-4
SOLVE_SECONDS_MAX: Final = 3.0
MEMORY_MIB_MAX: Final = 1_536
SIZES: Final = (100_000, 300_000, 1_000_000)
LIGHT_SIZES: Final = (20_000, 50_000, 100_000)
GROWTH_KIND: Final = "hard"
ROUNDS: Final = 3
SAMPLE_MEMBERS: Final = 5_000
NOISE_SIGMA: Final = 1.0
# What ranked campaigns reach depends on whose turn is first: it is the mean over so many random orders.
ORDERS: Final = 5
NOISY_ORDERS: Final = 2


@dataclass(slots=True)
class _Found:
    """What was measured of one kind of problem."""

    seconds: list[float] = field(default_factory=list[float])
    processor_seconds: float = 0.0
    gap: float = 0.0
    violations: int = 0
    messages: int = 0
    memory_mib: int = 0
    gains: dict[str, float] = field(default_factory=dict[str, float])
    noisy_gains: dict[str, float] = field(default_factory=dict[str, float])
    ranked_range: tuple[float, float] = (0.0, 0.0)


def run_plan(say: Say, sizes: Sequence[int] = SIZES) -> BenchResult:
    """The whole bench; `sizes`: numbers of members, rising."""
    found: dict[str, _Found] = {}
    for kind in KINDS:
        found[kind] = _measure(kind, sizes[-1])
        say(f"{kind}: {_tell(found[kind])}")
    growth = {size: middle(_time_solves(make_problem(GROWTH_KIND, size))) for size in sizes}
    say(f"growth: {', '.join(f'{size:,} in {one:.2f} s' for size, one in growth.items())}")
    others = _measure_others()
    say(f"on {SAMPLE_MEMBERS:,} members: {others}")
    say(f"with the database: {sizes[-1]:,} members are put there, read, planned and written")
    stored = measure_stored(sizes[-1])
    say(f"with the database: {stored.show()}")
    return _judge(found, growth, others, stored)


def _tell(found: _Found) -> str:
    gains = ", ".join(f"{name} {gain:.3f} ({found.noisy_gains[name]:.3f})" for name, gain in found.gains.items())
    return f"{middle(found.seconds):.2f} s, gap {found.gap:.1e}, {found.memory_mib} MiB; times (noisy): {gains}"


def _judge(
    found: Mapping[str, _Found], growth: Mapping[int, float], others: Mapping[str, float], stored: StoredTimes
) -> BenchResult:
    ratio = min(one.gains["ranked_first_come"] for one in found.values())
    exponent = growth_exponent(tuple(growth), list(growth.values()))
    figures: dict[str, Any] = {
        "members": max(growth),
        **{kind: _figures(one) for kind, one in found.items()},
        "gap_bar": GAP_MAX,
        "solve_seconds_bar": SOLVE_SECONDS_MAX,
        "memory_peak_mib_bar": MEMORY_MIB_MAX,
        "growth_sizes": list(growth),
        "growth_seconds": [round(one, 3) for one in growth.values()],
        "growth_exponent": round(exponent, 3),
        "sample_members": SAMPLE_MEMBERS,
        **others,
        **stored.show(),
    }
    ok = ratio >= BAR and others["sample_bound_share"] >= 1.0 and all(_is_met(one) for one in found.values())
    return BenchResult("plan", ok, round(ratio, 3), BAR, figures)


def _is_met(found: _Found) -> bool:
    return (
        found.gap <= GAP_MAX
        and middle(found.seconds) <= SOLVE_SECONDS_MAX
        and found.memory_mib <= MEMORY_MIB_MAX
        and not found.violations
    )


def _figures(found: _Found) -> dict[str, Any]:
    return {
        "solve_seconds": round(middle(found.seconds), 3),
        "solve_processor_seconds": round(found.processor_seconds, 3),
        "gap": float(f"{found.gap:.2e}"),
        "violations": found.violations,
        "messages": found.messages,
        "memory_peak_mib": found.memory_mib,
        "times": {name: round(gain, 4) for name, gain in found.gains.items()},
        "times_ranked_first_come_range": [round(one, 4) for one in found.ranked_range],
        "times_with_noise": {name: round(gain, 4) for name, gain in found.noisy_gains.items()},
    }


def _measure(kind: str, members: int) -> _Found:
    problem = make_problem(kind, members)
    found = _Found()
    forget_memory_peak()
    began = time.process_time()
    found.seconds = _time_solves(problem)
    found.processor_seconds = (time.process_time() - began) / ROUNDS
    found.memory_mib = memory_peak_mib()
    prepared = prepare(problem)
    plan = solve(prepared)
    found.gap, found.messages = plan.gap, len(plan.assignments)
    found.violations = count_violations(plan)
    found.gains, found.ranked_range = _compare(prepared, plan, problem, ORDERS)
    noisy = prepare(with_noise(problem, sigma=NOISE_SIGMA))
    found.noisy_gains, _ = _compare(noisy, solve(noisy), problem, NOISY_ORDERS)
    return found


def _time_solves(problem: Problem) -> list[float]:
    seconds: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        solve(problem)
        seconds.append(time.perf_counter() - began)
    return seconds


def _compare(
    prepared: Prepared, plan: Plan, truth: Problem, count: int
) -> tuple[dict[str, float], tuple[float, float]]:
    """How many times as much as each baseline the plan is worth, by the true values, whatever was believed.

    Of ranked campaigns the mean over their orders, and the least and the most.
    """
    rows = plan.assignments
    cell = rows.campaign.astype(np.int64) * len(truth.channels) + rows.channel
    ours = _worth(truth, plan, Chosen(rows.member.astype(np.int64), cell, np.zeros(len(rows))))
    random = np.random.default_rng(0)
    orders = [random.permutation(len(truth.campaigns)).tolist() for _ in range(count)]
    ranked = [_worth(truth, plan, rank_first_come(prepared, plan, order=order).chosen) for order in orders]
    gains = {
        "ranked_first_come": ours * count / sum(ranked),
        "random_first_come": ours / _worth(truth, plan, random_first_come(prepared, plan).chosen),
        "greedy": ours / _worth(truth, plan, take_greedily(prepared, plan).chosen),
    }
    return gains, (ours / max(ranked), ours / min(ranked))


def _worth(truth: Problem, plan: Plan, chosen: Chosen) -> float:
    return expected_objective_micros(truth, plan.branch, chosen)


def count_violations(plan: Plan) -> int:
    """Broken limits and wrong figures, counted from the assignments alone; the limits as the problems are made."""
    problem, rows = plan.problem, plan.assignments
    pairs = rows.member.astype(np.int64) * len(problem.campaigns) + rows.campaign
    values = problem.values[rows.campaign, rows.channel, rows.member].astype(np.float64)
    quotas = np.array([one.plans[0].messages_max for one in problem.channels], dtype=np.int64)
    sizes = np.array([one.size_max for one in problem.campaigns], dtype=np.int64)
    prices = np.array(PRICES, dtype=np.float64)[rows.channel]
    worth = np.where(np.isfinite(values), values, 0.0)
    net = int(np.rint(worth * MICROS).sum()) - int(np.rint(prices * MICROS).sum())
    return (
        int((np.bincount(rows.member, minlength=problem.members) > CAP).sum())
        + len(pairs)
        - len(np.unique(pairs))
        + int((~np.isfinite(values)).sum())
        + int(np.maximum(0, np.bincount(rows.channel, minlength=len(quotas)) - quotas).sum())
        + int(np.maximum(0, np.bincount(rows.campaign, minlength=len(sizes)) - sizes).sum())
        + int(net != round(plan.objective_micros))
        + int(plan.objective_micros > plan.bound_micros)
    )


def _measure_others() -> dict[str, float]:
    """General solvers and ours on the same few members. Our bound must not be below HiGHS's optimum."""
    problem = make_problem(GROWTH_KIND, SAMPLE_MEMBERS)
    began = time.perf_counter()
    plan = solve(problem)
    seconds = time.perf_counter() - began
    programme = write_programme(problem)
    highs, first_order = solve_by_highs(programme), solve_by_pdlp(programme)
    return {
        "sample_solve_seconds": round(seconds, 3),
        "sample_highs_seconds": round(highs.seconds, 3),
        "sample_pdlp_seconds": round(first_order.seconds, 3),
        "sample_share_of_highs_optimum": round(plan.objective_micros / MICROS / highs.objective, 6),
        "sample_pdlp_share_of_highs_optimum": round(first_order.objective / highs.objective, 6),
        "sample_bound_share": round(plan.bound_micros / MICROS / highs.objective, 9),
    }

"""The same problem as one linear programme for general solvers: HiGHS and PDLP, on as many members as they can take.

The programme is written as compactly as we could: only messages worth their price are variables, and a row for a campaign and
member is there only where two channels could carry it.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from regulars.bootstrap.bench.plan_problems import CAP, PRICES
from regulars.campaigns.planner import Problem

PDLP_RELATIVE_MAX: Final = 1e-4
# Their functions have no types.
SCIPY: Final[Any] = optimize
SPARSE: Final[Any] = sparse


@dataclass(frozen=True, slots=True)
class Programme:
    """maximise gain·x, matrix·x ≤ most, 0 ≤ x ≤ 1."""

    gain: NDArray[np.float64]
    matrix: Any
    most: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Solved:
    """What a solver answered, and how long it took."""

    objective: float
    seconds: float


def write_programme(problem: Problem) -> Programme:
    """Rows: each member's cap, one channel a campaign, quotas, sizes."""
    prices = np.array(PRICES, dtype=np.float64)
    net = problem.values.astype(np.float64) - prices[None, :, None]
    campaign, channel, member = np.nonzero(net > 0)
    columns = np.arange(len(member))
    pairs = campaign * problem.members + member
    double = np.flatnonzero(np.bincount(pairs) > 1)
    row_of = np.full(int(pairs.max()) + 1, -1)
    row_of[double] = np.arange(len(double))
    paired = row_of[pairs] >= 0
    starts = np.cumsum([0, problem.members, len(double), len(problem.channels)])
    rows = np.concatenate([member, starts[1] + row_of[pairs[paired]], starts[2] + channel, starts[3] + campaign])
    places = np.concatenate([columns, columns[paired], columns, columns])
    quotas = [float(one.plans[0].messages_max or 0) for one in problem.channels]
    sizes = [float(one.size_max or 0) for one in problem.campaigns]
    caps = np.full(problem.members, float(CAP))
    most: NDArray[np.float64] = np.concatenate([caps, np.ones(len(double)), np.array(quotas), np.array(sizes)])
    matrix = SPARSE.csc_array((np.ones(len(rows)), (rows, places)), shape=(len(most), len(columns)))
    return Programme(net[campaign, channel, member], matrix, most)


def solve_by_highs(programme: Programme) -> Solved:
    """HiGHS's choice of method, to the optimum."""
    began = time.perf_counter()
    found = SCIPY.linprog(-programme.gain, A_ub=programme.matrix, b_ub=programme.most, bounds=(0, 1), method="highs")
    return Solved(-float(found.fun), time.perf_counter() - began)


def solve_by_pdlp(programme: Programme) -> Solved:
    """OR-tools' first-order method, to a relative gap of 10⁻⁴, on two threads; the answer may be fractional."""
    from ortools.pdlp import solvers_pb2
    from ortools.pdlp.python import pdlp as typed

    pdlp: Any = typed
    written = pdlp.QuadraticProgram()
    columns = len(programme.gain)
    written.objective_vector = -programme.gain
    written.constraint_matrix = SPARSE.csc_matrix(programme.matrix)
    written.constraint_lower_bounds = np.full(len(programme.most), -np.inf)
    written.constraint_upper_bounds = programme.most
    written.variable_lower_bounds, written.variable_upper_bounds = np.zeros(columns), np.ones(columns)
    settings: Any = solvers_pb2.PrimalDualHybridGradientParams()
    settings.num_threads = 2
    settings.termination_criteria.simple_optimality_criteria.eps_optimal_relative = PDLP_RELATIVE_MAX
    settings.termination_criteria.simple_optimality_criteria.eps_optimal_absolute = 0.0
    began = time.perf_counter()
    found = pdlp.primal_dual_hybrid_gradient(written, settings)
    return Solved(float(programme.gain @ found.primal_solution), time.perf_counter() - began)

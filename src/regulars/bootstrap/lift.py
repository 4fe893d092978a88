"""`regulars lift`: any randomised experiment in a file, each arm compared with the one that got nothing."""

import json as json_module
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from regulars.measure.errors import ShareInvalid
from regulars.measure.experiment import Result, analyse, check_control, find_sample_ratio
from regulars.measure.importing import ExperimentColumns, ReadExperiment, describe_reject, read_experiment
from regulars.measure.lift import Verdict
from regulars.measure.variants import MISMATCH_P, SampleRatio

LINE_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class LiftOrder:
    """What is to be compared; ``shares`` are ARM=WEIGHT."""

    file: Path
    arm: str
    control: str
    outcomes: Sequence[str]
    covariate: str | None = None
    shares: Sequence[str] = field(default_factory=list[str])
    encoding: str | None = None


def run_lift(order: LiftOrder, *, json: bool) -> None:
    """Print it; rows left out are told on standard error. Raises: ExperimentInvalid and its kin, ImportRefused."""
    weights = read_shares(order.shares)
    columns = ExperimentColumns(order.arm, list(dict.fromkeys(order.outcomes)), order.covariate)
    found = read_experiment(order.file, columns, encoding=order.encoding)
    _tell_rejects(found)
    check_control(found.experiment, order.control)
    ratio = find_sample_ratio(found.experiment, weights)
    results = analyse(found.experiment, order.control)
    print(_as_json(found, results, ratio) if json else _as_text(found, order, results, ratio))


def read_shares(shares: Sequence[str]) -> dict[str, float]:
    """Weights by arm. Raises: ShareInvalid."""
    weights: dict[str, float] = {}
    for text in shares:
        arm, equals, weight = text.rpartition("=")
        try:
            number = float(weight)
        except ValueError:
            number = 0.0
        if not equals or not arm or not 0 < number < float("inf") or arm in weights:
            raise ShareInvalid(f"--share {text!r}: write each arm once as ARM=WEIGHT, such as none=1.", path="share")
        weights[arm] = number
    return weights


def _tell_rejects(found: ReadExperiment) -> None:
    for row in found.first_rejects:
        print(f"row {row.number} left out: {describe_reject(row)}", file=sys.stderr)
    if found.rejected:
        print(f"{found.rejected:,} of {found.read:,} rows left out", file=sys.stderr)


def _as_json(found: ReadExperiment, results: Sequence[Result], ratio: SampleRatio | None) -> str:
    told: dict[str, Any] = {
        "results": [one.to_dict() for one in results],
        "rows": found.read,
        "rejected": found.rejected,
        "rejects": [{"row": row.number, "field": row.field, "reason": row.reason} for row in found.first_rejects],
        "sample_ratio": None
        if ratio is None
        else {"members": ratio.members, "expected": ratio.expected, "p": ratio.p, "ok": not ratio.is_mismatch},
    }
    return json_module.dumps(told, ensure_ascii=False, allow_nan=False)


def _as_text(found: ReadExperiment, order: LiftOrder, results: Sequence[Result], ratio: SampleRatio | None) -> str:
    grid = Table("outcome", "arm", "members", "mean", "lift", "95 % interval", "relative", "p", "says", box=None)
    for one in results:
        grid.add_row(*_cells(one))
    # Drawn apart from the terminal: what is printed is the same in a pipe.
    console = Console(width=LINE_CHARACTERS, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(grid)
    table = "\n".join(line.rstrip() for line in capture.get().splitlines())
    return "\n".join([*_heading(found, order, ratio), table, *_notes(results)])


def _cells(one: Result) -> list[str]:
    found = one.lift.estimate
    assert found is not None, "both arms have members"
    interval = "none" if found.interval is None else f"{found.interval[0]:+.4g} … {found.interval[1]:+.4g}"
    needs = f", needs about {one.lift.needs_members:,}" if one.lift.needs_members else ""
    p = one.p_adjusted
    return [
        one.outcome,
        one.arm,
        f"{one.treated_members:,}",
        f"{found.treated_mean:.4g} / {found.withheld_mean:.4g}",
        f"{found.absolute:+.4g}",
        interval,
        "–" if found.relative is None else f"{found.relative:+.1%}",
        "–" if p is None else f"{p:.2g}",
        _VERDICTS[one.lift.verdict] + needs,
    ]


_VERDICTS: Mapping[Verdict, str] = {
    Verdict.POSITIVE: "more",
    Verdict.NEGATIVE: "less",
    Verdict.NO_DIFFERENCE_SEEN: "no difference seen",
    Verdict.NOT_ENOUGH_YET: "not enough yet",
}


def _heading(found: ReadExperiment, order: LiftOrder, ratio: SampleRatio | None) -> list[str]:
    control = found.experiment.arms[order.control]
    lines = [
        f"{order.file.name}: {found.read - found.rejected:,} rows, control {order.control!r} ({control.members:,})"
    ]
    if ratio is not None:
        lines.append(f"sample ratio: p = {ratio.p:.2g}")
    if ratio is not None and ratio.is_mismatch:
        pairs = ", ".join(f"{name!r} {count:,} of {ratio.expected[name]:,.0f}" for name, count in ratio.members.items())
        lines.append(
            f"SAMPLE RATIO MISMATCH (p < {MISMATCH_P}): {pairs}. What follows compares arms that were not drawn so."
        )
    return lines


def _notes(results: Sequence[Result]) -> list[str]:
    notes: list[str] = []
    if len({one.arm for one in results}) > 1:
        notes.append("p is adjusted for the number of arms of each outcome (Holm); intervals are each arm's own.")
    if any(one.lift.estimate and one.lift.estimate.interval is None for one in results):
        notes.append("No interval: nothing varies in the arms, or an arm has one member.")
    return notes

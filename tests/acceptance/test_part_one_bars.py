"""Part 1 of the plan, the demo and the bars that no other folder holds in full.

Elsewhere: SDKs in tests/sdk, chaos in tests/chaos, bad input and the import bar beside this file, fresh clones in
tests/setup.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from regulars.platform.postgres import find_running
from tests.support.serving import Serving, make_folder

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "README.zh-TW.md", "ARCHITECTURE.md", "docs/STATE.md", "CHANGELOG.md", "LICENSE")
DEMO_TOTALS = {
    "members": 2_469,
    "items": 92_331,
    "orders": 155_848,
    "order_lines": 1_469_307,
    "coupons_redeemed": 2_102,
}


def run_demo(home: Path, *more: str) -> dict[str, Any]:
    """What the last line of `./regulars demo --json` says."""
    one = Serving(home, command=[str(ROOT / "regulars")])
    done = one.run("demo", "--no-serve", "--json", *more)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
@pytest.mark.alone
def test_the_demo_loads_what_it_says_and_again_adds_nothing() -> None:
    """«2,469 households → members …, 92,331 products → items, 1,469,307 purchase lines in 155,848 baskets → `Order
    Completed` events with their lines, 2,102 redemptions → `Coupon Redeemed`»; «totals exactly as above, read back
    through the API»; «Re-running is safe.»"""
    with make_folder() as folder:
        home = folder / "home"
        first = run_demo(home)
        assert DEMO_TOTALS.items() <= first.items()
        assert DEMO_TOTALS.items() <= run_demo(home).items()
        one = Serving(home).start()
        try:
            overview = one.get("/api/overview")
            assert (overview["members"], overview["items"]) == (DEMO_TOTALS["members"], DEMO_TOTALS["items"])
            names = {entry["name"]: entry for entry in one.get("/api/events/names")["names"]}
            assert names["Order Completed"]["events"] == DEMO_TOTALS["orders"]
            assert names["Order Completed"]["lines"] == DEMO_TOTALS["order_lines"]
            assert names["Coupon Redeemed"]["events"] == DEMO_TOTALS["coupons_redeemed"]
        finally:
            one.end()
        assert find_running(home) is None


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("bench", ["ingest", "start"])
def test_a_bench_tells_its_figures_beside_its_bar(bench: str) -> None:
    """«`bench ingest`, `bench start` per quality.md.»; contract: «exit 0 only when ok; one JSON line»

    Whether the bar is reached is printed and for a person to read: what else runs on the machine decides it too.
    """
    done = subprocess.run(
        [ROOT / "regulars", "bench", bench, "--json"], capture_output=True, text=True, timeout=900, check=False
    )
    told = json.loads(done.stdout)
    print(f"\n{done.stdout}")
    assert {"bench", "ok", "ratio", "bar", "figures"} <= told.keys()
    assert told["bench"] == bench
    assert done.returncode == (0 if told["ok"] else 1)
    assert told["figures"] and told["ratio"] > 0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_document_is_there(document: str) -> None:
    """«README (English, 繁體中文), ARCHITECTURE.md, docs/STATE.md, ADRs, CHANGELOG, LICENSE (Apache-2.0)»"""
    assert len((ROOT / document).read_text(encoding="utf-8")) > 100


def test_decisions_are_written_down() -> None:
    """«ADRs»: one page each: context, decision, consequences, alternatives"""
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert records
    for record in records:
        assert "alternatives" in record.read_text(encoding="utf-8").lower(), record.name

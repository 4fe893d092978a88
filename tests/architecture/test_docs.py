"""Nothing that others may rely on goes untold: settings, commands, error codes, paths; and how-tos say what they touch.

What is missing is printed as rows to paste; ``python -m tests.architecture.catalogue`` prints them all.
"""

import pytest

from tests.architecture import catalogue
from tests.architecture.catalogue import OFFERS, tells, untold
from tests.architecture.sources import PACKAGE, ROOT

HOW_TO = ROOT / "docs" / "how-to"
CLI = PACKAGE / "bootstrap" / "cli.py"


@pytest.mark.parametrize("document", OFFERS)
def test_all_that_is_offered_is_told(document: str) -> None:
    if not CLI.exists():
        pytest.skip("there is no command line yet, and so nothing is offered")
    offers, at_least = OFFERS[document]
    found = offers()
    assert len(found) >= at_least, f"only {sorted(found)}: does the test still look in the right place?"
    rows = untold(document, found)
    assert not rows, f"docs/reference/{document} does not tell of:\n" + "\n".join(rows)


def test_a_name_is_not_told_by_a_longer_one() -> None:
    assert tells("| `members.unknown` | no such member |", "members.unknown")
    assert not tells("| `members.unknown_kind` | no such kind |", "members.unknown")


def test_every_error_has_a_code_of_its_own() -> None:
    catalogue.modules()
    classes = [one for one in catalogue.descendants(catalogue.DomainError) if "code" in vars(one)]
    codes = [one.code for one in classes if one.__module__.startswith("regulars.")]
    assert codes
    assert sorted(set(codes)) == sorted(codes), "a code means one thing: programs match on it"
    assert all(hasattr(one, "kind") for one in classes), "there is no default kind"


def test_a_how_to_opens_with_the_files_it_touches() -> None:
    for path in sorted(HOW_TO.glob("add-a-*.md")):
        title, _, rest = path.read_text(encoding="utf-8").partition("\n")
        assert title.startswith("# "), path.name
        opening = rest.lstrip().lower().lstrip("#*_ ")
        assert opening.startswith("files impacted"), f"{path.name} must open with *Files impacted*"

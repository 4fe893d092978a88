"""docs/reference says what the code says today."""

import pytest

from tools import reference


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_reference_is_current(page: str) -> None:
    written = (reference.REFERENCE / page).read_text(encoding="utf-8")
    assert reference.render(page) == written, "run `python -m tools.reference`, read what it changed and commit it"


def test_words_written_by_hand_are_kept() -> None:
    old = "| code | meaning | what to do |\n| --- | --- | --- |\n| `internal` | Old. | Either \\| or. |\n"
    told = reference.render_errors(old)
    assert "A defect of ours" in told
    assert "| Either \\| or. |" in told

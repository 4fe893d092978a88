"""A missing tool: skipped with its reason on a workstation, failed in CI."""

import pytest

from tests.support.requirements import find_tool, require


def test_a_tool_that_is_there_is_found() -> None:
    assert require("sh").name == "sh"
    assert find_tool("no-such-tool") is None


def test_a_missing_tool_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed: it draws"):
        require("no-such-tool", "it draws")


def test_a_missing_tool_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI=true allows no skipping"):
        require("no-such-tool")

"""What a test needs from the machine: absent means skipped with its reason, and with ``CI=true`` failed.

A skipped test is a promise nobody checks; a workstation may live with that, the build may not.
"""

import os
import shutil
from pathlib import Path

import pytest

# Debian keeps the server's programs out of PATH.
POSTGRES_FOLDER = Path("/usr/lib/postgresql")


def require(tool: str, why: str = "") -> Path:
    """The path of a program; without it the test is skipped, or fails in CI."""
    if found := find_tool(tool):
        return found
    return absent(f"{tool} is not installed" + (f": {why}" if why else ""))


def require_root() -> None:
    """Go on only as root, who alone can become somebody else."""
    if os.geteuid() != 0:
        absent("only root can act as another user")


def find_tool(tool: str) -> Path | None:
    """A program in PATH or among Debian's PostgreSQL programs, newest version first."""
    if found := shutil.which(tool):
        return Path(found)
    versions = sorted(POSTGRES_FOLDER.glob("*/bin"), key=lambda folder: -int(folder.parent.name))
    return next((folder / tool for folder in versions if os.access(folder / tool, os.X_OK)), None)


def absent(reason: str) -> Path:
    """Skip with the reason, or fail in CI; never returns."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (and CI=true allows no skipping)")
    pytest.skip(reason)

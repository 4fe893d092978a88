"""The most memory that was resident at once, of this process alone; where the system tells it."""

from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")


def forget_memory_peak() -> None:
    """From now on the peak is what comes."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")


def memory_peak_mib() -> int:
    """Since the last time it was forgotten; 0 where the system does not say."""
    if not _STATUS.exists():
        return 0
    (line,) = [line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10

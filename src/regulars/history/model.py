"""Where the history lies, what its engine may use, and which state of it is to be read."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HistoryPlace:
    """The lake's folder, what the engine may use, and how old an event gets before it moves. Tests make their own."""

    folder: Path
    temp_folder: Path
    memory_mib_max: int = 1024
    threads: int = 2
    seal_seconds: float = 300


@dataclass(frozen=True, slots=True)
class Pointer:
    """A brand's events are those of the lake at these versions, and those of the tail behind `moved_to`.

    No version: nothing was moved yet. `moving_to`: rows up to there are, or will be, the lake's affair.
    """

    moved_to: int = 0
    moving_to: int = 0
    events_version: int | None = None
    lines_version: int | None = None


@dataclass(frozen=True, slots=True)
class DataState:
    """Everything that decides what a snapshot shows; equal states show the same."""

    pointer: Pointer
    head_seq: int
    origins_epoch: int
    origin_id_max: int
    items_epoch: int

    @property
    def version(self) -> str:
        """For keys of caches."""
        at = self.pointer
        lake = f"{at.events_version}.{at.lines_version}.{at.moved_to}"
        return f"{lake}.{self.head_seq}.{self.origins_epoch}.{self.origin_id_max}.{self.items_epoch}"


@dataclass(frozen=True, slots=True)
class Range:
    """The seqs of a brand that a move takes: after `after_seq`, up to and with `to_seq`."""

    brand_id: int
    after_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A later copy of a message, left out of the lake."""

    brand_id: int
    seq: int
    name: str
    line_count: int

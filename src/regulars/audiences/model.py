"""What audiences say of themselves."""

from dataclasses import dataclass
from datetime import datetime

from regulars.conditions.parse import Written
from regulars.conditions.tree import Node


@dataclass(frozen=True, slots=True)
class Audience:
    """One version of an audience."""

    name: str
    version: int
    written: Written
    created_at: datetime

    @property
    def tree(self) -> Node:
        return self.written.tree


@dataclass(frozen=True, slots=True)
class Seen:
    """A leaf, what a member shows of it, and whether it holds."""

    path: str
    value: object
    holds: bool

"""How large a condition may be. Everything that is counted while one is read has its limit here."""

from typing import Final

from regulars.kernel.durations import DURATION_DAYS_MAX

DEPTH_MAX: Final = 20
"""Of `all`, `any` and `not` in each other."""

LEAVES_MAX: Final = 200
"""Of one condition; also of groups, and of entries of one group."""

VALUES_MAX: Final = 1_000
"""Of one list of values, or names in one object."""

FILTERS_MAX: Final = 20
"""Tests in one `where` or `item`."""

AGGREGATES_MAX: Final = 10
"""Of one kind in one `did`."""

STEPS_MAX: Final = 10
TEXT_CHARACTERS_MAX: Final = 1_000
NAME_CHARACTERS_MAX: Final = 200
YAML_CHARACTERS_MAX: Final = 100_000
"""Reading YAML takes seconds from here on; JSON has no such limit of ours."""

WINDOW_DAYS_MAX: Final = DURATION_DAYS_MAX

DIGITS_BEFORE_POINT_MAX: Final = 12
DIGITS_AFTER_POINT_MAX: Final = 6
DIGITS_MAX: Final = 15
"""Altogether: what every reader of JSON keeps."""

"""How deep JSON may be nested: so deep that each of the libraries that will read or write it again can follow."""

from collections.abc import Iterable
from typing import Final, cast

NESTING_MAX: Final = 200
_DEEPER: Final = (dict, list)


def is_nested_too_deeply(value: object) -> bool:
    """Whether lists and objects lie in each other more than `NESTING_MAX` deep."""
    level: list[object] = [value] if isinstance(value, _DEEPER) else []
    for _ in range(NESTING_MAX + 1):
        if not level:
            return False
        level = [child for one in level for child in _children(one) if isinstance(child, _DEEPER)]
    return bool(level)


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value)

"""Load the `-- name: x` queries of the .sql file that sits next to a store module."""

import re
from pathlib import Path
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_queries(path: Path) -> dict[str, LiteralString]:
    """Query texts by name. The file is source code of ours, hence LiteralString: values are always bound."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, texts = parts[::2], [text.strip().rstrip(";") for text in parts[1::2]]
    assert len(names) == len(set(names)), f"{path}: a query name occurs twice"
    return cast("dict[str, LiteralString]", dict(zip(names, texts, strict=True)))

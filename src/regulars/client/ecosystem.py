"""A running ecosystem from Python: `Ecosystem(api_key=…).audience(did("Order Completed") & tag("vip")).count()`.

Everything is asked of the server; nothing is computed here. An audience is asked anew at each call, at its as_of or now.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import quote

from regulars.client import notebook
from regulars.client.asking import EcosystemError, Server
from regulars.conditions.builder import Condition
from regulars.conditions.write import write_tree

if TYPE_CHECKING:
    from arro3.core import Table

URL: Final = "http://127.0.0.1:8080"
PAGE_MEMBERS: Final = 1_000
SAMPLE_MEMBERS: Final = 10

Language = Literal["zh-TW", "en"]
Asked = Condition | Mapping[str, object] | Sequence[object] | str
"""A condition built here or as JSON says it, or the name of a saved audience."""


class Ecosystem:
    """A brand on a running server, by its API key, or by the HOME that keeps the key."""

    def __init__(
        self, url: str = URL, api_key: str | None = None, *, home: str | Path | None = None, brand: str = "default"
    ) -> None:
        """Raises: ValueError, without a key; OSError, where HOME cannot be read."""
        if api_key is None and home is None:
            raise ValueError("say api_key=…, or home=… where `regulars serve` keeps its keys")
        self._server = Server(url, api_key or _read_key(Path(cast("str | Path", home)), brand))

    def audience(self, asked: Asked, as_of: datetime | str | None = None) -> "Audience":
        """Members a condition is true of, or a saved audience by its name; `as_of` is an instant, by default now."""
        return Audience(self._server, asked, as_of)

    def audiences(self) -> Iterator[str]:
        """Names of the saved audiences."""
        cursor: str | None = None
        while True:
            page = self._server.ask("GET", "/api/audiences", {"limit": PAGE_MEMBERS, "cursor": cursor})
            yield from (one["name"] for one in page["audiences"])
            cursor = page["next"]
            if cursor is None:
                return

    def __repr__(self) -> str:
        return f"<ecosystem at {self._server.url}>"


class Audience:
    """Members, asked of the server when they are asked for."""

    def __init__(self, server: Server, asked: Asked, as_of: datetime | str | None) -> None:
        self._server = server
        self.name = asked if isinstance(asked, str) else None
        self._where = write_tree(asked.tree) if isinstance(asked, Condition) else asked
        self.as_of = as_of.isoformat() if isinstance(as_of, datetime) else as_of

    def count(self) -> int:
        """How many."""
        return self._ask("count")["count"]

    def members(self) -> Iterator[str]:
        """Their ids, in an order that never changes; all are of one instant, the first page's."""
        cursor: str | None = None
        while True:
            page = self._ask("members", limit=PAGE_MEMBERS, cursor=cursor)
            yield from page["members"]
            cursor = page["next"]
            if cursor is None:
                return

    def to_arrow(self) -> "Table":
        """Their ids and user ids as an Arrow table, which DuckDB, Polars, pandas and pyarrow take as it is."""
        from arro3.core import Array, DataType, Table

        rows = csv.DictReader(io.StringIO(self._fetch("export", format="csv").decode(), newline=""))
        columns: dict[str, list[str | None]] = {name: [] for name in rows.fieldnames or ()}
        for row in rows:
            for name, values in columns.items():
                values.append(row[name] or None)
        array: Any = Array  # Takes a sequence; its types know of Arrow objects only, and so do the table's.
        arrays = [array(values, type=DataType.string()) for values in columns.values()]
        return cast("Any", Table).from_arrays(arrays, names=[*columns])

    def why(self, member: str) -> "Why":
        """Why a member is in or out: `in`, and of each leaf what it saw and whether it holds."""
        told = self._ask("explain", member=member)
        sentences = {leaf["path"]: leaf["sentence"] for leaf in self._ask("explain", as_of=told["as_of"])["leaves"]}
        leaves = [{**leaf, "sentence": sentences.get(leaf["path"])} for leaf in told["leaves"]]
        return Why({**told, "leaves": leaves})

    def explain(self, language: Language = "zh-TW") -> str:
        """In words."""
        return self._ask("explain")["sentence"][language]

    def leaves(self) -> list[dict[str, Any]]:
        """Each leaf of the condition: its path, its sentence in both languages, and how many it is true of."""
        return self._ask("explain")["leaves"]

    def overlap(self, other: "Audience | Asked") -> dict[str, int]:
        """How many are in `both`, in `only_this` and in `only_other`, at one instant; neither need be saved."""
        this, that = (
            self._part(),
            (other if isinstance(other, Audience) else Audience(self._server, other, None))._part(),
        )
        found: dict[str, int] = {}
        as_of = self.as_of
        parts = {"both": [this, that], "only_this": [this, {"not": that}], "only_other": [that, {"not": this}]}
        for name, both in parts.items():
            told = Audience(self._server, {"all": both}, as_of)._ask("count")
            found[name], as_of = told["count"], told["as_of"]
        return found

    def diff(self, before: int | None = None, after: int | None = None) -> dict[str, int]:
        """How many `entered`, `left` and `stayed` between two versions, by default the newest and the one before it.

        Raises: ValueError, where it is not saved and so has no versions.
        """
        return self._ask_saved("diff", **{"from": before, "to": after})

    def sizes(self, start: date | str | None = None, until: date | str | None = None) -> list[dict[str, Any]]:
        """Its `count` `on` each of the brand's days, both included; by default the last 30.

        Raises: ValueError, where it is not saved.
        """
        return self._ask_saved("sizes", **{"from": _day_text(start), "until": _day_text(until)})["sizes"]

    def save(self, name: str) -> "Audience":
        """Keep the condition under a name; a new version where that name has another one. The saved audience."""
        where = self._where if self.name is None else self._server.ask("GET", _path_of(self.name))["where"]
        self._server.ask("PUT", _path_of(name), body={"where": where})
        return Audience(self._server, name, self.as_of)

    def __repr__(self) -> str:
        try:
            told = self._look()
        except EcosystemError as error:
            return f"<audience: {error}>"
        name = f" {self.name}" if self.name else ""
        return f"<audience{name}: {told['count']:,} members at {told['as_of']}>\n{told['sentence']['zh-TW']}\n{told['sentence']['en']}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        try:
            return notebook.show_audience(self._look(), name=self.name)
        except EcosystemError as error:
            return notebook.show_error(error)

    def _look(self) -> dict[str, Any]:
        """Everything that is shown, of one instant."""
        if self.name is None:
            return self._server.ask("POST", "/api/audience-preview", body=self._body(self.as_of))
        told = self._ask("explain")
        as_of = told["as_of"]
        page = self._ask("members", as_of=as_of, limit=SAMPLE_MEMBERS)
        return {**told, "count": self._ask("count", as_of=as_of)["count"], "sample": page["members"]}

    def _part(self) -> Any:
        """This audience as a part of a condition."""
        return self._where if self.name is None else {"member_of": self.name}

    def _ask_saved(self, what: str, **query: object) -> Any:
        if self.name is None:
            raise ValueError(f"only a saved audience has {what}: call .save(name) first")
        return self._ask(what, **query)

    def _ask(self, what: str, **query: object) -> Any:
        return json.loads(self._fetch(what, **query))

    def _fetch(self, what: str, **query: object) -> bytes:
        """Of a saved audience by its name, of any other by its condition: the answers are the same."""
        as_of = query.pop("as_of", self.as_of)
        if self.name is not None:
            return self._server.fetch("GET", f"{_path_of(self.name)}/{what}", {**query, "as_of": as_of})
        return self._server.fetch("POST", f"/api/audience-preview/{what}", query, self._body(as_of))

    def _body(self, as_of: object) -> dict[str, object]:
        return {"where": self._where} if as_of is None else {"where": self._where, "as_of": as_of}


class Why(dict[str, Any]):
    """Why a member is in an audience or not, as the API tells it; a notebook shows it as a table."""

    def _repr_html_(self) -> str:
        return notebook.show_why(self)


def _day_text(day: date | str | None) -> str | None:
    return day.isoformat() if isinstance(day, date) else day


def _path_of(name: str) -> str:
    return f"/api/audiences/{quote(name, safe='')}"


def _read_key(home: Path, brand: str) -> str:
    keys = json.loads((home.expanduser() / "credentials.json").read_text(encoding="utf-8"))
    if brand not in keys:
        raise ValueError(f"{home} keeps no keys of a brand {brand!r}, only of {', '.join(sorted(keys))}")
    return keys[brand]["api_key"]

"""A brand of eight members, a to h, whose audiences can be computed by hand.

Decides how a tree is asked over HTTP and how an answer is read as letters. Each test sends events, traits and tags under
names of its own, at times far from each other, relative to one fixed AS_OF: 18 November 2026, a Wednesday, noon in Taipei.

Trees are written as in architecture.md. What it leaves open is spelled in one way here: tests of a value `any_of`,
`none_of`, `between`, `at_least`, `at_most`, `more_than`, `less_than`, `prefix`, `contains`, `exists`, `has_any`,
`has_all`; times `from`, `before`, `after`, `until`, `within`; `last_month` and the like beside `this_month`.
"""

import itertools
import json
import subprocess
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from tests.contract.client import Brand, encoded
from tests.contract.examples import Examples
from tests.support.serving import Serving

LETTERS: Final = "abcdefgh"
AS_OF: Final = datetime(2026, 11, 18, 4, tzinfo=UTC)
Tree = Mapping[str, Any]


def text(instant: datetime) -> str:
    """RFC 3339 as the API answers it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ago(**delta: float) -> datetime:
    """So long before AS_OF: `ago(days=3)`."""
    return AS_OF - timedelta(**delta)


class Shop(Brand):
    """A brand's keys, its eight members, and their audiences."""

    def __init__(self, serving: Serving, name: str | None, letters: str = LETTERS) -> None:
        """A new brand whose name begins so; without one the deployment's first brand. `letters`: its new members."""
        self.serving = serving
        self.brand_name, keys = "default", serving.ready
        if name:
            self.brand_name = f"{name} {uuid.uuid4().hex[:10]}"
            keys = json.loads(serving.run("brand", "add", self.brand_name, "--json").stdout)
        super().__init__(serving.url, keys, Examples({}))
        if letters:
            self.tell(*({"type": "identify", "userId": one, "traits": {}} for one in letters))
        self.ids = {one: self.member(f"user_id:{one}")["id"] for one in letters}
        self.letters = {member: one for one, member in self.ids.items()}
        self._numbers = itertools.count(1)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """As a brand asks; when no answer comes, what the deployment is at is told beside."""
        try:
            return super().request(method, path, **options)
        except httpx.ReadTimeout as error:
            error.add_note(self.serving.tell_what_runs())
            raise

    # --- what happened ---

    def tell(self, *calls: object) -> None:
        """One batch, all of which must be taken."""
        assert self.send(*calls) == {"success": True}

    def event(self, who: str, name: str, at: datetime, /, **properties: Any) -> dict[str, object]:
        """A track call, not yet sent."""
        return self.track(who, name, timestamp=text(at), messageId=str(uuid.uuid4()), properties=properties)

    def set_traits(self, traits: Mapping[str, Mapping[str, Any]]) -> None:
        """Traits of each letter."""
        self.tell(*({"type": "identify", "userId": one, "traits": told} for one, told in traits.items()))

    def set_tag(self, who: str, tag: str, **body: Any) -> None:
        """A tag by hand."""
        self.ask("PUT", f"/api/members/{self.ids[who]}/tags/{encoded(tag)}", body)

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command about this brand, answering JSON."""
        return self.serving.run(*words, "--brand", self.brand_name, "--json", check=check)

    # --- audiences ---

    def save(self, where: Tree, name: str | None = None) -> str:
        """PUT an audience; its name."""
        name = name or f"audience-{next(self._numbers)}"
        assert self.ask("PUT", f"/api/audiences/{encoded(name)}", {"where": where})["name"] == name
        return name

    def read(self, name: str, what: str, *, as_of: datetime | None = AS_OF, **params: Any) -> Any:
        """GET /api/audiences/{name}/{what}; `as_of` None is the present."""
        asked = params if as_of is None else {"as_of": text(as_of), **params}
        return self.ask("GET", f"/api/audiences/{encoded(name)}/{what}", params=asked)

    def count(self, name: str, as_of: datetime | None = AS_OF) -> int:
        return self.read(name, "count", as_of=as_of)["count"]

    def pages(self, name: str, limit: int, as_of: datetime | None = AS_OF) -> list[list[str]]:
        """All pages of members' ids."""
        pages: list[list[str]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.read(name, "members", as_of=as_of, limit=limit, **cursor)
            pages.append(page["members"])
            if page["next"] is None:
                return pages
            cursor = {"cursor": page["next"]}

    def members(self, name: str, as_of: datetime | None = AS_OF) -> str:
        """Letters of an audience's members in their order; the count must say how many. `?`: another member."""
        (ids,) = self.pages(name, 1_000, as_of)
        assert len(ids) == len(set(ids)) == self.count(name, as_of)
        return "".join(sorted(self.letters.get(member, "?") for member in ids))

    def who(self, where: Tree, as_of: datetime | None = AS_OF) -> str:
        """Letters of those a tree is true of."""
        return self.members(self.save(where), as_of)

    def check(self, where: Tree, expected: str) -> None:
        """A tree is true of these letters, and its negation of all others. Only where nobody but a to h is there."""
        others = "".join(one for one in LETTERS if one not in expected)
        assert self.who(where) == expected, f"{where} is true of {expected or 'nobody'}"
        assert self.who({"not": where}) == others, f"not {where} is true of {others or 'nobody'}"

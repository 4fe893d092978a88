"""Merges in any order and taken apart in any order, against a model that only remembers who said what."""

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from regulars.access import service as access
from regulars.members.identity import Identity
from regulars.members.service import changing, joining, reading
from regulars.members.service.setting_traits import TraitUpdate, set_traits
from regulars.platform.crypto import new_key
from regulars.platform.db import Database
from tests.conftest import NOW, open_database
from tests.support.examples import few

PEOPLE = 4
PERSON = st.integers(0, PEOPLE - 1)
TRAIT = st.sampled_from(["age", "city", "firstName"])
CHANNEL = st.sampled_from(["line", "mail"])
STEP = st.one_of(
    st.tuples(st.just("trait"), PERSON, TRAIT, st.integers(0, 9) | st.none()),
    st.tuples(st.just("tag"), PERSON, st.sampled_from(["vip", "new"]), st.booleans()),
    st.tuples(st.just("consent"), PERSON, CHANNEL, st.booleans()),
    st.tuples(st.just("merge"), PERSON, PERSON),
    st.tuples(st.just("unmerge"), st.integers(0, 9)),
)


class Model:
    """Everybody's own words, and who is merged into whom.

    A removed trait is a word like any other. A removed tag is one only where others are merged in whose tag it hides:
    that somebody has no tag says nothing of another.
    """

    def __init__(self) -> None:
        self.own: list[dict[str, tuple[int, Any]]] = [{} for _ in range(PEOPLE)]
        self.consents: list[dict[str, tuple[int, bool]]] = [{} for _ in range(PEOPLE)]
        self.parent: list[int | None] = [None] * PEOPLE
        self.merged_at: list[int] = [0] * PEOPLE
        self.merges: list[tuple[int, int]] = []

    def root(self, person: int) -> int:
        parent = self.parent[person]
        return person if parent is None else self.root(parent)

    def words(self, person: int) -> dict[str, tuple[int, Any]]:
        whole = dict(self.own[person])
        for child in range(PEOPLE):
            if self.parent[child] == person:
                for key, word in self.words(child).items():
                    if key.startswith("#") and word[1] is None:
                        continue
                    if key not in whole or word[0] > whole[key][0]:
                        whole[key] = word
        return whole

    def remove_tag(self, person: int, tag: str, at: int) -> None:
        self.own[person][f"#{tag}"] = (at, None)
        self.forget_removals(person)

    def forget_removals(self, person: int) -> None:
        if person not in self.parent:
            self.own[person] = {
                key: word for key, word in self.own[person].items() if not (key.startswith("#") and word[1] is None)
            }

    def consent(self, person: int, channel: str) -> bool | None:
        """The person's latest own word and the stricter of what others said who were merged in since."""
        at, granted = self.consents[person].get(channel, (-1, None))
        since = [c for c in range(PEOPLE) if self.parent[c] == person and self.merged_at[c] > at]
        said = [word for word in (granted, *(self.consent(child, channel) for child in since)) if word is not None]
        return all(said) if said else None

    def allowed(self, person: int) -> dict[str, bool]:
        words = {channel: self.consent(person, channel) for channel in ("line", "mail")}
        return {channel: granted for channel, granted in words.items() if granted is not None}

    def merge(self, kept: int, merged: int, at: int) -> None:
        self.parent[merged], self.merged_at[merged] = kept, at
        self.merges.append((kept, merged))

    def shown(self, person: int) -> dict[str, Any]:
        return {key: value for key, (_, value) in self.words(person).items() if value is not None}


@settings(
    max_examples=few(4),
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would make hundreds of databases
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEP, min_size=5, max_size=25))
@example(steps=[("consent", 2, "line", True), ("merge", 1, 2), ("merge", 0, 1), ("unmerge", 0)])
@example(
    steps=[
        *(("consent", 2, "line", False), ("merge", 1, 2), ("consent", 1, "line", True), ("merge", 0, 1)),
        *(("consent", 0, "line", False), ("unmerge", 1), ("unmerge", 0), ("consent", 2, "line", True)),
    ]
)
@example(steps=[("merge", 1, 2), ("merge", 0, 1), ("unmerge", 0), ("merge", 0, 2), ("unmerge", 0)])
def test_what_is_shown_is_what_was_said(server_dsn: str, steps: list[tuple[Any, ...]]) -> None:
    with open_database(server_dsn, f"merging_{abs(hash(tuple(steps)))}") as dsn:
        asyncio.run(walk(dsn, steps))


async def walk(dsn: str, steps: list[tuple[Any, ...]]) -> None:
    database, model, key = Database(dsn, connections_max=2), Model(), new_key()
    await database.open()
    merge_ids: list[str] = []
    try:
        async with database.write() as tx:
            await access.create_brand(tx, "b", access.new_keys(), master_key=key, now=NOW)
            brand = await access.get_brand(tx, "b", master_key=key)
            claims = [(Identity("user_id", str(person)),) for person in range(PEOPLE)]
            await joining.lock_brand(tx, brand)
            origins = await joining.resolve_claims(tx, brand, claims, now=NOW)
            ids = [
                reading.member_text((await reading.list_by_identity(tx, brand, "user_id", str(person)))[0])
                for person in range(PEOPLE)
            ]
        for number, step in enumerate(steps):
            at = NOW + timedelta(seconds=number)
            async with database.write() as tx:
                match step:
                    case ("trait", person, trait, value):
                        update = TraitUpdate(origins[claims[person]], {trait: value}, at)
                        await joining.lock_brand(tx, brand)
                        await set_traits(tx, brand, [update], now=at)
                        model.own[model.root(person)][trait] = (number, value)
                    case ("tag", person, tag, True):
                        await changing.put_tag(
                            tx, brand, ids[person], tag, weight=1, evidence=None, expires_at=None, now=at
                        )
                        model.own[model.root(person)][f"#{tag}"] = (number, True)
                    case ("tag", person, tag, False):
                        await changing.remove_tag(tx, brand, ids[person], tag, now=at)
                        model.remove_tag(model.root(person), tag, number)
                    case ("consent", person, channel, granted):
                        said = {"granted": granted, "proof": {"source": "test"}, "now": at}
                        await changing.put_consent(tx, brand, ids[person], channel, "marketing", **said)
                        model.consents[model.root(person)][channel] = (number, granted)
                    case ("merge", kept, merged) if model.root(kept) != model.root(merged):
                        answer = await changing.merge_by_hand(tx, brand, keep=ids[kept], merge=ids[merged], now=at)
                        merge_ids.append(answer["merge"])
                        kept, merged = model.root(kept), model.root(merged)
                        model.merge(kept, merged, number)
                    case ("unmerge", which) if merge_ids:
                        which %= len(merge_ids)
                        await changing.unmerge_by_hand(tx, brand, merge_ids.pop(which), now=at)
                        kept, merged = model.merges.pop(which)
                        model.parent[merged] = None
                        model.forget_removals(kept)
                    case _:
                        continue
            await compare(database, brand, model, ids, step)
    finally:
        await database.close()


async def compare(database: Database, brand: Any, model: Model, ids: list[str], step: tuple[Any, ...]) -> None:
    async with database.read() as tx:
        for person in range(PEOPLE):
            root = model.root(person)
            member = await reading.get_member(tx, brand, ids[person], now=NOW)
            said = member["traits"] | {f"#{tag['tag']}": True for tag in member["tags"]}
            assert member["id"] == ids[root], step
            assert said == model.shown(root), (step, person)
            allowed = {consent["channel"]: consent["granted"] for consent in member["consents"]}
            assert allowed == model.allowed(root), (step, person)
            values = {identity["value"] for identity in member["identities"]}
            assert values == {str(other) for other in range(PEOPLE) if model.root(other) == root}, step

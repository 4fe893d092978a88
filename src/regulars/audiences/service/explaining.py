"""Why an audience is what it is: in words, leaf by leaf with sizes, and for one member with what was seen of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from regulars.audiences import store
from regulars.audiences.model import Seen
from regulars.audiences.service.answering import NAMING, Evaluation
from regulars.conditions.doubts import Doubt, list_doubts
from regulars.conditions.explain import explain, explain_leaf
from regulars.conditions.lower import lower_seen
from regulars.conditions.parse import Written
from regulars.conditions.tree import Did, Leaf, Percentile, Tag, Trait, list_leaves
from regulars.conditions.tree import Sequence as Steps

LANGUAGES: Final[tuple[Literal["zh-TW", "en"], ...]] = ("zh-TW", "en")
GAPS_MISSED_MIN: Final = 10
SILENCE_MIN: Final = timedelta(days=7)
TRAIT_ARRIVALS_MIN: Final = 3
TRAIT_SPAN_MIN: Final = timedelta(days=1)
"""A trait that came once, or in one import, is known and has not stopped."""


async def explain_audience(evaluation: Evaluation, written: Written) -> dict[str, Any]:
    """The sentence, each leaf with its own sentence and how many members it has, and what looks wrong."""
    counts = [len(await evaluation.list_members(leaf)) for leaf, _ in _leaves_of(written)]
    leaves = [
        {"path": path, "sentence": {language: explain_leaf(leaf, language) for language in LANGUAGES}, "count": count}
        for (leaf, path), count in zip(_leaves_of(written), counts, strict=True)
    ]
    doubts = [*list_doubts(written), *await _list_empty(evaluation, written, counts)]
    return {
        "sentence": {language: explain(written.tree, language) for language in LANGUAGES},
        "leaves": leaves,
        "warnings": [show_doubt(doubt) for doubt in doubts],
    }


def show_doubt(doubt: Doubt) -> dict[str, str]:
    """As it is answered."""
    return {"code": doubt.code, "path": doubt.path, "message": doubt.sentence}


async def _list_empty(evaluation: Evaluation, written: Written, counts: Sequence[int]) -> list[Doubt]:
    """Leaves that nobody meets now, and those whose events or traits have stopped arriving."""
    found: list[Doubt] = []
    leaves = [leaf for leaf, _ in _leaves_of(written)]
    stopped = await _list_stopped(evaluation, leaves)
    traits = await _list_stopped_traits(evaluation, leaves)
    for (leaf, path), count in zip(_leaves_of(written), counts, strict=True):
        silent = [stopped[event] for event in _events_of(leaf) if event in stopped]
        if silent:
            found.append(Doubt("audience.event_stopped", path, silent[0]))
        elif isinstance(leaf, Trait) and leaf.name in traits:
            found.append(Doubt("audience.trait_stopped", path, traits[leaf.name]))
        elif count == 0:
            found.append(Doubt("audience.leaf_empty", path, "nobody meets this at present"))
    return found


async def _list_stopped(evaluation: Evaluation, leaves: Sequence[Leaf]) -> dict[str, str]:
    """Events that used to come and have been away for longer than ten usual gaps, and a week."""
    names = {said: event for leaf in leaves for event in _events_of(leaf) for said in NAMING.names_of(event)}
    last: dict[str, datetime] = {}
    gaps: dict[str, timedelta] = {}
    for said, count, first_at, last_at in await store.list_arrivals(
        evaluation.tx, evaluation.brand.brand_id, list(names)
    ):
        event = names[said]
        gaps[event] = min((last_at - first_at) / max(count - 1, 1), gaps.get(event, timedelta.max))
        last[event] = max(last_at, last.get(event, last_at))
    return {
        event: f"{event!r} came every {_days(gaps[event])} until {at:%Y-%m-%d} and not since"
        for event, at in last.items()
        if _is_silent(evaluation, at, gaps[event])
    }


async def _list_stopped_traits(evaluation: Evaluation, leaves: Sequence[Leaf]) -> dict[str, str]:
    """Traits that used to be set again and again, by calls or imports, and are not since."""
    names = sorted({leaf.name for leaf in leaves if isinstance(leaf, Trait)})
    if not names:
        return {}
    found: dict[str, str] = {}
    for trait, count, first_at, last_at in await store.list_trait_arrivals(
        evaluation.tx, evaluation.brand.brand_id, names
    ):
        if count < TRAIT_ARRIVALS_MIN or last_at - first_at < TRAIT_SPAN_MIN:
            continue
        gap = (last_at - first_at) / (count - 1)
        if _is_silent(evaluation, last_at, gap):
            found[trait] = f"trait {trait!r} was set every {_days(gap)} until {last_at:%Y-%m-%d} and not since"
    return found


def _is_silent(evaluation: Evaluation, last_at: datetime, gap: timedelta) -> bool:
    return evaluation.as_of - last_at > max(GAPS_MISSED_MIN * gap, SILENCE_MIN)


def _days(gap: timedelta) -> str:
    days = gap / timedelta(days=1)
    return f"{days:.0f} days" if days >= 2 else f"{gap / timedelta(hours=1):.1f} hours"


def _events_of(leaf: Leaf) -> list[str]:
    match leaf:
        case Did() | Percentile():
            return [leaf.what.event]
        case Steps():
            return [step.what.event for step in leaf.steps if not step.negated]
        case _:
            return []


async def explain_member(evaluation: Evaluation, written: Written, member_no: int) -> tuple[bool, list[Seen]]:
    """Whether the member is in, and what each leaf saw."""
    seen = [
        Seen(path, await _show(evaluation, leaf, member_no), member_no in await evaluation.list_members(leaf))
        for leaf, path in _leaves_of(written)
    ]
    return member_no in await evaluation.list_members(written.tree), seen


def _leaves_of(written: Written) -> list[tuple[Leaf, str]]:
    return list(zip(list_leaves(written.tree), written.leaf_paths, strict=True))


async def _show(evaluation: Evaluation, leaf: Leaf, member_no: int) -> object:
    """What the leaf looked at; null where the member has nothing of it, or where there is nothing to show."""
    brand_id = evaluation.brand.brand_id
    match leaf:
        case Trait(name):
            if name in evaluation.personal.traits:
                return "•••" if member_no in await evaluation.list_members(leaf) else None
            return await store.find_trait(evaluation.tx, brand_id, member_no, name)
        case Tag(name):
            found = await store.find_tag(evaluation.tx, brand_id, member_no, name)
            return None if found is None else found[0]
        case Did() | Percentile():
            told = lower_seen(leaf, member_no, evaluation.times, NAMING, evaluation.history.dialect)
            values = {name: _number(await evaluation.history.find_text(one)) for name, one in told.items()}
            return next(iter(values.values())) if len(values) == 1 else values
        case _:
            return member_no in await evaluation.list_members(leaf)


def _number(text: str | None) -> object:
    """Counts as numbers, amounts as the decimals they are, instants as they are told."""
    if text is None:
        return None
    if text.isdigit():
        return int(text)
    return text.rstrip("0").rstrip(".") if "." in text and ":" not in text else text

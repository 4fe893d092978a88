"""What changed between two programmes: by place, and in words for people.

Things that have names are the same thing by their names, wherever they stand in their list.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from regulars.conditions.explain import Language, explain
from regulars.conditions.places import escape_segment
from regulars.loyalty.model import Condition, Never, Period, Programme
from regulars.loyalty.parsing import write_value

NAMED: Final = "="
"""Begins a step of a trail that is a thing's own name."""


class Difference(NamedTuple):
    """One change. `path` is a place in the new programme, of what is gone in the old; `trail` says it in words of the file.

    None is what is not there, or is as when it is left out.
    """

    path: str
    trail: tuple[str, ...]
    old: Any
    new: Any

    def to_json(self) -> dict[str, Any]:
        """As the command answers it."""
        old, new = ("never" if isinstance(one, Never) else write_value(one) for one in (self.old, self.new))
        return {"path": self.path, "old": old, "new": new}


def diff_programmes(old: Programme | None, new: Programme) -> list[Difference]:
    """Nothing where they mean the same; all of the new one where there was none."""
    return list(_compare(old or Programme(), new, "", ()))


def say_difference(one: Difference, language: Language) -> str:
    """One sentence."""
    words = _WORDS[language]
    quotes = "「{}」" if language == "zh-TW" else "“{}”"
    place = [quotes.format(step[1:]) if step.startswith(NAMED) else words.get(step, step) for step in one.trail]
    where = _join_zh(place) if language == "zh-TW" else " ".join(place)
    old, new = (_say(value, language) for value in (one.old, one.new))
    if one.old is None:
        return f"新增{where}：{new}" if language == "zh-TW" else f"added {where}: {new}"
    if one.new is None:
        return f"移除{where}：{old}" if language == "zh-TW" else f"removed {where}: {old}"
    return f"{where}由 {old} 改為 {new}" if language == "zh-TW" else f"{where}: {old} becomes {new}"


def _compare(old: Any, new: Any, path: str, trail: tuple[str, ...]) -> Iterator[Difference]:
    if old == new:
        return
    before, after = _by_name(old), _by_name(new)
    if before is not None and after is not None:
        # What is new or stays has its place in the new programme, what is gone in the old.
        for name in (*after, *(name for name in before if name not in after)):
            step = (
                list(after if name in after else before).index(name) if isinstance(new, tuple) else escape_segment(name)
            )
            yield from _compare(before.get(name), after.get(name), f"{path}/{step}", (*trail, NAMED + name))
    elif _is_form(old) and type(old) is type(new):
        for field in dataclasses.fields(new):
            word = field.name.rstrip("_")
            yield from _compare(getattr(old, field.name), getattr(new, field.name), f"{path}/{word}", (*trail, word))
    else:
        yield Difference(path, trail, old, new)


def _by_name(value: Any) -> dict[str, Any] | None:
    """An object's entries, or a list's by their names; None of what has no names."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    things = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
    is_named = isinstance(value, tuple) and all(hasattr(one, "name") for one in things)
    return {one.name: one for one in things} if is_named else None


def _is_form(value: Any) -> bool:
    """Whether a change is told field by field."""
    return dataclasses.is_dataclass(cast("object", value)) and not isinstance(value, Condition | Period)


def _say(value: Any, language: Language) -> str:
    if isinstance(value, Condition):
        beside = [f"tier ≥ {value.tier_at_least}"] if value.tier_at_least else []
        beside += [f"badge {badge}" for badge in value.badges]
        return " ".join([explain(value.tree, language).rstrip("。."), *(f"({one})" for one in beside)])
    if isinstance(value, Never):
        return "永不" if language == "zh-TW" else "never"
    written = write_value(value)
    if isinstance(written, str):
        return written
    if written is None:
        return "無" if language == "zh-TW" else "nothing"
    return json.dumps(written, ensure_ascii=False, sort_keys=True)


def _join_zh(place: list[str]) -> str:
    """A name follows its thing, a field follows with 的."""
    said = place[0]
    for step in place[1:]:
        said += step if step.startswith("「") else f"的{step}"
    return said


_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh-TW": {
        "assets": "幣別", "earn": "集點規則", "earn_on": "計點基準", "tiers": "等級制度", "levels": "等級", "badges": "徽章",
        "missions": "任務", "vouchers": "優惠券", "rewards": "贈品", "returns": "退貨規則", "events": "報名活動", "scores": "遊戲分數",
        "valid": "有效期間", "when": "條件", "award": "獎勵", "target": "目標", "streak": "連續", "expires": "效期", "enter": "升等門檻",
        "retain": "續等門檻", "re_enter": "再升等門檻", "multiplier": "倍數", "status": "等級效期", "grace": "寬限期", "window": "計算期間",
        "downgrade": "降等方式", "privileges": "權益", "price": "點數", "stock": "數量", "budget": "預算", "discount": "折扣",
        "per_member": "每人上限", "capacity": "名額", "stages": "開放時段", "ladder": "級距", "worth": "折抵金額", "funder": "出資者",
        "then": "完成獎勵", "voucher": "優惠券", "codes": "券碼", "priority": "優先順序", "policy": "扣回方式", "hold": "保留時間",
    },
    "en": {
        "assets": "asset", "earn": "earn rule", "earn_on": "what is earned on", "tiers": "tiers:", "levels": "level", "badges": "badge",
        "missions": "mission", "vouchers": "voucher pool", "rewards": "reward", "returns": "returns:", "events": "event",
        "scores": "score", "when": "condition", "re_enter": "re-enter", "per_member": "limit per member",
    },
}  # fmt: skip

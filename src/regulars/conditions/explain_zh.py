"""Conditions as sentences in Chinese as Taiwan writes it."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from regulars.conditions.tree import (
    Aggregate,
    AggregateKind,
    Badge,
    Between,
    Bucket,
    Calendar,
    Consent,
    Delivered,
    Did,
    EventFilter,
    Exists,
    Filter,
    HasIdentity,
    Held,
    InTime,
    Leaf,
    ListHas,
    MemberOf,
    Mission,
    Moment,
    NoneOf,
    OneOf,
    Percentile,
    Points,
    Range,
    Rolling,
    Scalar,
    Sequence,
    Tag,
    TextMatch,
    Tier,
    Trait,
    ValueTest,
    Voucher,
    VoucherState,
    Window,
)
from regulars.conditions.words import EVENTS, IDENTITIES_ZH, PROPERTIES_ZH, say_number

_UNITS: Final = {"day": "天", "week": "週", "month": "個月", "quarter": "季", "year": "年"}
_NAMED: Final = {
    Calendar("day"): "今天",
    Calendar("day", 1, 1): "昨天",
    Calendar("week"): "本週",
    Calendar("week", 1, 1): "上週",
    Calendar("month"): "本月",
    Calendar("month", 1, 1): "上個月",
    Calendar("quarter"): "本季",
    Calendar("quarter", 1, 1): "上一季",
    Calendar("year"): "今年",
    Calendar("year", 1, 1): "去年",
}
_PRESENT: Final = {"day": "今天", "week": "本週", "month": "本月", "quarter": "本季", "year": "今年"}
_SUMMED: Final[dict[AggregateKind, str]] = {"sum": "合計", "avg": "平均", "min": "最小值", "max": "最大值"}
_VOUCHERS: Final[dict[VoucherState, str]] = {"issued": "已發放", "reserved": "保留中", "used": "已使用"}
_DELIVERED: Final = {"received": "收到訊息", "opened": "開啟訊息", "clicked": "點擊訊息"}
_MATCHES: Final = {"prefix": "以「{}」開頭", "suffix": "以「{}」結尾", "contains": "包含「{}」"}


def say_leaf(leaf: Leaf, *, is_negated: bool = False) -> str:
    """What a member is or did, or is not or did not, without a subject."""
    match leaf:
        case Trait():
            return _say_trait(leaf, is_negated)
        case Tag(name, weight):
            heavy = f"權重{_say_range(weight)}的" if weight else ""
            return f"{'沒有' if is_negated else '有'}{heavy}標籤「{name}」"
        case Consent(channel, purpose, granted):
            return (
                f"{'沒有' if is_negated else '已'}{'同意' if granted else '拒絕'}管道「{channel}」的「{purpose}」用途"
            )
        case HasIdentity(kind):
            return f"{'沒有' if is_negated else '有'}{IDENTITIES_ZH.get(kind, f'「{kind}」')}識別"
        case MemberOf(audience):
            return f"{'不屬於' if is_negated else '屬於'}分眾「{audience}」"
        case Bucket(salt, start, end):
            where = "不在" if is_negated else "在"
            return f"{where}隨機分組「{salt}」的 {say_number(start)}% 到 {say_number(end)}% 之間"
        case Points() | Tier() | Badge() | Mission() | Voucher():
            return _say_held(leaf, is_negated)
        case _:
            return _say_behaviour(leaf, is_negated)


def _say_held(leaf: Held, is_negated: bool) -> str:
    has = "沒有" if is_negated else "有"
    match leaf:
        case Points(asset, asked):
            return f"點數「{asset}」{'並非' if is_negated else ''}{_say_range(asked)}"
        case Tier(name, or_higher):
            return f"等級{'不是' if is_negated else '為'}「{name}」{'以上' if or_higher else ''}"
        case Badge(name):
            return f"{has}徽章「{name}」"
        case Mission(name):
            return f"{'尚未' if is_negated else '已'}完成任務「{name}」"
        case Voucher(pool, state):
            return f"{has}{_VOUCHERS[state]}的票券「{pool}」"


def _say_behaviour(leaf: Did | Delivered | Sequence | Percentile, is_negated: bool) -> str:
    match leaf:
        case Did():
            return _say_did(leaf, is_negated)
        case Delivered():
            return _say_delivered(leaf, is_negated)
        case Sequence():
            return _negate(_say_sequence(leaf), is_negated)
        case Percentile():
            return _say_percentile(leaf, is_negated)


def _negate(sentence: str, is_negated: bool) -> str:
    return f"不符合（{sentence}）" if is_negated else sentence


def _say_trait(leaf: Trait, is_negated: bool) -> str:
    subject = f"屬性「{leaf.name}」"
    match leaf.test:
        case Exists():
            return f"{'沒有' if is_negated else '有'}{subject}"
        case OneOf(values) if is_negated:
            return f"{subject}不是{_say_values(values)}（沒有值也算）"
        case NoneOf(values) if is_negated:
            return f"{subject}為{_say_values(values)}，或沒有值"
        case _ if is_negated:
            return f"{_say_test(f'{subject}並非', leaf.test)}（沒有值也算）"
        case _:
            return _say_test(subject, leaf.test)


def _say_test(subject: str, test: ValueTest) -> str:
    match test:
        case OneOf(values):
            return f"{subject}為{_say_values(values)}"
        case NoneOf(values):
            return f"{subject}有值，但不是{_say_values(values)}"
        case Range():
            return f"{subject}{_say_range(test)}"
        case TextMatch(how, text):
            return f"{subject}{_MATCHES[how].format(text)}"
        case Exists():
            return f"有{subject}"
        case ListHas(values, every):
            return f"{subject}同時包含{_join(values, '和')}" if every else f"{subject}包含{_say_values(values)}"
        case InTime(Rolling(seconds), ahead=True):
            return f"{subject}在接下來 {_say_seconds(seconds)}內"
        case InTime(window):
            return f"{subject}{_say_window(window)}"


def _say_values(values: tuple[Scalar, ...]) -> str:
    return _join(values, "或")


def _join(values: Iterable[Scalar], last: str) -> str:
    said = [_say_value(value) for value in values]
    return said[0] if len(said) == 1 else f"{'、'.join(said[:-1])}{last}{said[-1]}"


def _say_value(value: Scalar) -> str:
    if isinstance(value, bool):
        return "「是」" if value else "「否」"
    return f" {say_number(value)} " if isinstance(value, Decimal) else f"「{value}」"


def _say_range(asked: Range) -> str:
    """Bounds, with a blank before each number."""
    if asked.at_least is not None and asked == Range(asked.at_least, asked.at_least):
        return f"剛好 {say_number(asked.at_least)}"
    if asked.at_least is not None and asked == Range(asked.at_least, asked.at_most) and asked.at_most is not None:
        return f"介於 {say_number(asked.at_least)} 到 {say_number(asked.at_most)} 之間"
    bounds = (("至少", asked.at_least), ("大於", asked.more_than), ("最多", asked.at_most), ("小於", asked.less_than))
    return "且".join(f"{word} {say_number(bound)}" for word, bound in bounds if bound is not None)


def _say_seconds(seconds: int) -> str:
    """A duration in the largest unit that says it exactly."""
    for unit, word in ((86_400, "天"), (3_600, "小時"), (60, "分鐘")):
        if seconds % unit == 0:
            return f"{seconds // unit:,} {word}"
    return f"{seconds:,} 秒"


def _say_window(window: Window) -> str:
    """When, as an adverb."""
    match window:
        case Rolling(seconds):
            return f"在過去 {_say_seconds(seconds)}內"
        case Calendar():
            return f"在{_say_calendar(window)}"
        case Between(start, None) if start is not None:
            return f"在 {_say_moment(start)} 以後"
        case Between(None, end) if end is not None:
            return f"在 {_say_moment(end)} 以前（不含）"
        case Between(start, end) if start is not None and end is not None:
            return f"在 {_say_moment(start)} 到 {_say_end(end)}之間"
        case _:
            return "在任何時間"


def _say_calendar(calendar: Calendar) -> str:
    if calendar in _NAMED:
        return _NAMED[calendar]
    counted = f"{calendar.count} {_UNITS[calendar.unit]}"
    match calendar.ago:
        case 0:
            return f"最近 {counted}（含{_PRESENT[calendar.unit]}）"
        case 1:
            return f"前 {counted}（不含{_PRESENT[calendar.unit]}）"
        case ago:
            return f" {ago} {_UNITS[calendar.unit]}前為止的 {counted}"


def _say_moment(moment: Moment) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()
    offset = f"{moment:%z}"
    return f"{moment.replace(tzinfo=None).isoformat(' ')}（UTC{offset[:3]}:{offset[3:5]}）"


def _say_end(end: Moment) -> str:
    """The end of a span: of days the last one of them."""
    if isinstance(end, datetime):
        return f"{_say_moment(end)} "
    last: date = end - timedelta(days=1)
    return f"{last.isoformat()} "


def _say_event(what: EventFilter) -> str:
    words = EVENTS.get(what.event)
    return f"{words.zh}（{what.event}）" if words else f"發生「{what.event}」事件"


def _say_filters(what: EventFilter) -> str:
    properties = [_say_test(_say_property(one.name), one.test) for one in what.where]
    items = [_say_test(_say_attribute(one), one.test) for one in what.item]
    return "、".join([*properties, *items])


def _say_property(name: str) -> str:
    return PROPERTIES_ZH.get(name, f"「{name}」")


def _say_attribute(one: Filter) -> str:
    return f"商品的{PROPERTIES_ZH.get(one.name, f'「{one.name}」')}"


def _say_limited(what: EventFilter) -> str:
    """An event with its filters in brackets, to stand inside a longer sentence."""
    event, filters = _say_event(what), _say_filters(what)
    if not filters:
        return event
    return f"{event.removesuffix('）')}，限{filters}）" if event.endswith("）") else f"{event}（限{filters}）"


def _say_did(leaf: Did, is_negated: bool) -> str:
    when = "" if leaf.within is None else _say_window(leaf.within)
    if not leaf.edges and (not leaf.aggregates if is_negated else _is_absence(leaf.aggregates)):
        return f"{when}沒有{_say_limited(leaf.what)}"
    counts = [one for one in leaf.aggregates if one.kind == "count"]
    others = [one for one in leaf.aggregates if one.kind != "count"]
    times = "、".join(f"{_say_range(one.range)} 次" for one in counts)
    parts: list[str] = []
    if leaf.aggregates or not leaf.edges:
        parts.append(f"{when}{'' if counts or others else '曾'}{_say_event(leaf.what)}{times}")
        parts += [f"且{filters}"] if (filters := _say_filters(leaf.what)) else []
        parts += [f"{_say_measure(one.kind, one.of)}{_say_range(one.range)}" for one in others]
    limited = _say_limited(leaf.what) if not parts else _say_event(leaf.what)
    sides = {"first": "第一次", "last": "最近一次"}
    parts += [f"{sides[edge.which]}{limited}{_say_window(edge.window)}" for edge in leaf.edges]
    return _negate("，".join(parts), is_negated)


def _is_absence(aggregates: tuple[Aggregate, ...]) -> bool:
    absent = (Range(at_most=Decimal(0)), Range(Decimal(0), Decimal(0)), Range(less_than=Decimal(1)))
    return len(aggregates) == 1 and aggregates[0].kind == "count" and aggregates[0].range in absent


def _say_measure(kind: AggregateKind, of: str | None) -> str:
    if kind == "count" or of is None:
        return "次數"
    if of == "local_day" and kind == "distinct":
        return "不同天數"
    if kind == "distinct":
        return f"不同{_say_property(of)}的數量"
    return f"{_say_property(of)}{_SUMMED[kind]}"


def _say_delivered(leaf: Delivered, is_negated: bool) -> str:
    when = "" if leaf.within is None else _say_window(leaf.within)
    named = (("活動", leaf.campaign), ("管道", leaf.channel), ("主題", leaf.topic))
    limits = "、".join(f"{word}「{name}」" for word, name in named if name is not None)
    what = f"{_DELIVERED[leaf.kind]}{f'（限{limits}）' if limits else ''}"
    if leaf.count is None:
        return f"{when}{'沒有' if is_negated else '曾'}{what}"
    if _is_absence((Aggregate("count", leaf.count),)):
        return _negate(f"{when}沒有{what}", is_negated)
    return _negate(f"{when}{what}{_say_range(leaf.count)} 次", is_negated)


def _say_sequence(leaf: Sequence) -> str:
    said: list[str] = []
    for index, step in enumerate(leaf.steps):
        is_last = index == len(leaf.steps) - 1
        if step.negated:
            said.append(f"{'之後' if is_last else '其間'}沒有{_say_limited(step.what)}")
        else:
            said.append(f"{'接著' if index else '先'}{_say_limited(step.what)}")
    said += [f"且「{leaf.by}」相同"] if leaf.by is not None else []
    said += [f"且第一步發生{_say_window(leaf.started)}"] if leaf.started is not None else []
    return f"在 {_say_seconds(leaf.within_seconds)}內{'，'.join(said)}"


def _say_percentile(leaf: Percentile, is_negated: bool) -> str:
    when = "" if leaf.within is None else _say_window(leaf.within)
    side = f"{'後' if leaf.least else '前'} {say_number(leaf.percent)}%"
    by = f"依{when.removeprefix('在').lstrip()}{_say_limited(leaf.what)}的{_say_measure(leaf.kind, leaf.of)}排名"
    return f"{by}，{'不在' if is_negated else '位於'}{side}"

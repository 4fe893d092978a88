"""A plan's figures as they are answered: money as decimal texts, shadow prices in numbers and in words. Pure.

Values, costs and net are those of the messages that go. The bound is of the plan before arms were drawn, moved by what the draw
changed: it stays as far above the net as it was above what was expected; so are the plans that it is shown beside. With price plans to choose from, cost and net hold the
fees of those that were taken; else fees are paid anyhow and left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from regulars.campaigns.planner.model import MICROS
from regulars.campaigns.planner.plan import Plan, summarise

PLACES_MIN: Final = 2

_EN: Final[Mapping[str, str]] = {
    "quota": "One more message on {name} is worth {currency} {price}.",
    "size": "One more message of campaign {name}, beyond its most, is worth {currency} {price}.",
    "budget": "One more {currency} of campaign {name}'s budget is worth {currency} {price}.",
    "quota:none": "{name} has messages to spare: one more is worth nothing.",
    "size:none": "The size of campaign {name} keeps nothing back.",
    "budget:none": "The budget of campaign {name} keeps nothing back.",
    "size:least": "Each message that campaign {name} must send to reach its least size costs {currency} {price}.",
}
_ZH: Final[Mapping[str, str]] = {
    "quota": "{name} 多一則訊息的額度，值 {currency} {price}。",
    "size": "活動 {name} 的上限多一則，值 {currency} {price}。",
    "budget": "活動 {name} 的預算多 {currency} 1，值 {currency} {price}。",
    "quota:none": "{name} 的額度還有剩，多一則不會帶來更多。",
    "size:none": "活動 {name} 的人數限制沒有擋下任何訊息。",
    "budget:none": "活動 {name} 的預算沒有擋下任何訊息。",
    "size:least": "活動 {name} 為了達到最少則數，每則要付出 {currency} {price}。",
}


@dataclass(frozen=True, slots=True)
class Beside:
    """Another way to choose under the same limits. Figures are expected ones, before arms are drawn."""

    method: str
    noise: bool
    messages: int
    cost_micros: int
    net_micros: int


@dataclass(frozen=True, slots=True)
class Told:
    """What only the service knows of each campaign: whether its values are assumed, what it may see, how it was estimated."""

    assumed: bool
    detectable: float | None
    response: Mapping[str, Any] | None = None


def show_summary(
    plan: Plan,
    slots: Sequence[tuple[str, str]],
    told: Sequence[Told],
    beside: Sequence[Beside],
    currency: str,
    *,
    chose_plans: bool,
) -> dict[str, Any]:
    """Shape: `slots` are (planner's name, channel) of each channel of the problem; `told` by campaign."""
    figures = summarise(plan)
    fees = sum(one["fee_micros"] for one in figures["by_channel"].values()) if chose_plans else 0
    net = figures["net_micros"] - fees
    drawn = net - figures["objective_micros"]
    bound = max(net, figures["bound_micros"] + drawn)
    prices: Mapping[str, float] = figures["shadow_prices"]
    rows = [_show_beside(one, drawn) for one in beside]
    return {
        "messages": figures["messages"],
        "withheld": figures["withheld"],
        "value": money_text(figures["value_micros"]),
        "cost": money_text(figures["cost_micros"] + fees),
        "net": money_text(net),
        "bound": money_text(bound),
        "gap": round((bound - net) / bound, 9) if bound > 0 else 0.0,
        "by_campaign": {
            name: _show_campaign(figures["by_campaign"][name], one)
            for name, one in zip(figures["by_campaign"], told, strict=True)
        },
        "by_channel": _show_channels(figures["by_channel"], slots, chose_plans),
        "shadow_prices": {name: decimal_text(price) for name, price in prices.items()},
        "sentences": say_prices(prices, currency),
        **({"baseline": {key: value for key, value in rows[0].items() if key != "noise"}} if rows else {}),
        "baselines": rows,
    }


def _show_beside(one: Beside, drawn: int) -> dict[str, Any]:
    """A way to choose, moved by the same draw as the plan beside it."""
    return {
        "method": one.method,
        "noise": one.noise,
        "messages": one.messages,
        "cost": money_text(one.cost_micros),
        "net": money_text(one.net_micros + drawn),
    }


def _show_campaign(figures: Mapping[str, Any], told: Told) -> dict[str, Any]:
    return {
        "messages": figures["messages"],
        "withheld": figures["withheld"],
        "value": money_text(figures["value_micros"]),
        "cost": money_text(figures["cost_micros"]),
        "assumed": told.assumed,
        "detectable": told.detectable,
        **({} if told.response is None else {"response": told.response}),
    }


def _show_channels(
    figures: Mapping[str, Mapping[str, Any]], slots: Sequence[tuple[str, str]], chose_plans: bool
) -> dict[str, Any]:
    """By channel, its months added up; `plan` is the last month's."""
    shown: dict[str, Any] = {}
    for name, channel in slots:
        one, before = figures[name], shown.get(channel)
        cost = one["cost_micros"] + (one["fee_micros"] if chose_plans else 0)
        sums = {key: one[key] + (before[key] if before else 0) for key in ("messages", "included", "extra")}
        total = cost + (before["micros"] if before else 0)
        shown[channel] = {
            **sums,
            "micros": total,
            "cost": money_text(total),
            "plan": one["plan"],
            "fee": money_text(one["fee_micros"]),
            "marginal_price": money_text(one["marginal_price_micros"]),
        }
    return {channel: {key: value for key, value in one.items() if key != "micros"} for channel, one in shown.items()}


def say_prices(prices: Mapping[str, float], currency: str) -> dict[str, list[str]]:
    """Each shadow price in a sentence, the dearest first."""
    ordered = sorted(prices.items(), key=lambda one: (-abs(one[1]), one[0]))
    return {
        "zh-TW": [_say(_ZH, *one, currency) for one in ordered],
        "en": [_say(_EN, *one, currency) for one in ordered],
    }


def _say(words: Mapping[str, str], limit: str, price: float, currency: str) -> str:
    kind, _, name = limit.partition(":")
    key = kind if price > 0 else f"{kind}:none" if price == 0 or kind != "size" else "size:least"
    return words[key].format(name=name, price=decimal_text(abs(price)), currency=currency)


def money_text(micros: int) -> str:
    """Millionths as a decimal text with at least two places: `0.20`."""
    whole = f"{Decimal(micros) / MICROS:.6f}"
    head, _, places = whole.partition(".")
    return f"{head}.{places.rstrip('0').ljust(PLACES_MIN, '0')}"


def decimal_text(amount: float) -> str:
    """A number of the currency as `money_text` writes it."""
    return money_text(round(amount * MICROS))

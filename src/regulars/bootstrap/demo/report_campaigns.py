"""How the demo's campaigns are told: what was planned, sent and measured; everything simulated is called so."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from rich.cells import cell_len

from regulars.bootstrap.demo.campaigns import CAPS, CHANNELS, GOAL_DAYS, HOLDOUT, OFFERS, Days
from regulars.bootstrap.demo.journey import CURRENCY
from regulars.bootstrap.demo.lifting import (
    RESPONSE_REVENUE,
    STATED_LIFT,
    Measurement,
    measurement_to_json,
)
from regulars.bootstrap.demo.reaching import LINE, SHARES
from regulars.bootstrap.demo.sending import Sent
from regulars.campaigns.service.valuing import ASSUMED_SHARE
from regulars.measure.coverage import REDRAWS

WIDTH: Final = 88
NAME_WIDTH: Final = 20
VERDICTS: Final = {
    "not_enough_yet": "not enough yet",
    "positive": "more",
    "negative": "less",
    "no_difference_seen": "no difference",
}


@dataclass(frozen=True, slots=True)
class Campaigned:
    """All of it; `plan` as the API answers it, `by_channel` messages by campaign and channel, `included` those of LINE's price
    plan, `sent` of the run that sent.
    """

    plan: dict[str, Any]
    by_channel: Mapping[tuple[str, str], int]
    included: int
    sent: Sent | None
    days: Days
    currency: str
    measured: Measurement


def render_campaigns(told: Campaigned) -> Iterable[str]:
    """The paragraphs."""
    yield _opening(told)
    yield _plan(told)
    yield _limits(told)
    if told.sent is not None and told.sent.what_if:
        yield _what_if(told.sent.what_if, told.currency)
    yield _sent(told)
    yield from _lifts(told.measured)
    yield _coverage(told.measured)


def campaigns_to_json(told: Campaigned) -> dict[str, Any]:
    """What the demo's line of JSON says of it; what only the run that sent knew is left out by a later one."""
    received = {} if told.sent is None else {"received": told.sent.received}
    return {
        "plan": {**told.plan["summary"], "shares": {"holdout": HOLDOUT}, "caps": list(CAPS)},
        **({} if told.sent is None else {"what_if": told.sent.what_if}),
        "sent": {**told.plan["progress"], **received},
        "reachability": "simulated",
        **measurement_to_json(told.measured),
    }


def _opening(told: Campaigned) -> str:
    days = told.days
    shares = ", ".join(f"{channel} {share:.0%}" for channel, share in SHARES.items())
    return "\n".join(
        [
            "Six campaigns on three channels, by a clock that the demo moved from day to day:",
            _wrap(
                f"planned on {days.first_on}, sent until {days.last_on}, measured until the data ends on {days.ends_on}:"
                f" each message has the {GOAL_DAYS} days of its goal.",
                "  ",
            ),
            _wrap(
                f"Simulated: who is reached where (drawn: {shares} of the households), that they agreed, the platforms, every"
                " message. Real: the purchases that decide who is meant, and those that followed.",
                "  ",
            ),
            _wrap(
                "Assumed: what a purchase earns, what a channel brings of it, and what a message changes (it makes the odds of the"
                f" purchase {ASSUMED_SHARE:.0%} better).",
                "  ",
            ),
        ]
    )


def _plan(told: Campaigned) -> str:
    summary = told.plan["summary"]
    heads = [*CHANNELS, "messages", "withheld", f"value {told.currency}", "cost"]
    widths = [9] * len(CHANNELS) + [10, 10, 12, 7]
    lines = [_row("  campaign", heads, widths)]
    for offer in OFFERS:
        part = summary["by_campaign"][offer.name]
        counts = [f"{told.by_channel.get((offer.name, channel), 0):,}" for channel in CHANNELS]
        lines.append(_row(f"  {offer.name}", [*counts, *_figures(part)], widths))
    totals = [f"{summary['by_channel'][channel]['messages']:,}" for channel in CHANNELS]
    lines.append(_row("  all", [*totals, *_figures(summary)], widths))
    return "\n".join(["The plan (POST /api/plans):", *lines])


def _figures(part: Mapping[str, Any]) -> list[str]:
    return [f"{part['messages']:,}", f"{part['withheld']:,}", _money(part["value"]), _money(part["cost"])]


def _limits(told: Campaigned) -> str:
    summary = told.plan["summary"]
    line, baseline = summary["by_channel"][LINE], summary["baseline"]
    cap = CAPS[0]
    lines = [
        _wrap(
            f"At most {cap['most']} messages a member in {cap['per']}; {HOLDOUT:.0%} of the members are held out of everything,"
            f" by lot. {LINE}'s price plan '{line['plan']}' includes {told.included:,} messages in these months, and"
            f" {line['messages']:,} go: how many of a plan are held out is by lot. {_binding(summary['shadow_prices'], told.currency)}"
        ),
        _wrap(
            f"Net {told.currency} {_money(summary['net'])}, at most {float(summary['gap']):.2%} below the best possible; each"
            f" campaign in its turn would bring {_money(baseline['net'])}.",
        ),
    ]
    for sentences in (summary["sentences"]["en"], summary["sentences"]["zh-TW"]):
        lines += [_wrap(sentence, "  - ") for sentence in sentences]
    return "\n".join(lines)


def _binding(prices: Mapping[str, str], currency: str) -> str:
    """Whether the quota of LINE's months binds, by its shadow prices."""
    dearest = max(
        (Decimal(price) for name, price in prices.items() if name.startswith(f"quota:{LINE}")), default=Decimal(0)
    )
    if dearest <= 0:
        return "Its quota does not bind: one message more would bring nothing."
    return f"Its quota binds: one message more would bring {currency} {_money(dearest)}."


def _what_if(rows: Sequence[Mapping[str, Any]], currency: str) -> str:
    widths = [10, 13, 11, 13, 12]
    lines = [
        "What if (GET /api/plans/ID/what-if; expected figures, costs with the fees of price plans):",
        _row("  ", ["messages", f"value {currency}", "cost", "net", "change"], widths, 29),
    ]
    for row in rows:
        figures = [f"{row['messages']:,}", *(_money(row[key]) for key in ("value", "cost", "net", "change"))]
        lines.append(_row(f"  {row['name']}", figures, widths, 29))
    return "\n".join(lines)


def _sent(told: Campaigned) -> str:
    progress: Mapping[str, int] = told.plan["progress"]
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(progress.items()))
    words = f"Sent to the simulated platforms: {sum(progress.values()):,} deliveries, {states}."
    if told.sent is None:
        return _wrap(
            f"{words} An earlier run of the demo sent them; what it asked before (what if) and what its platforms counted ended"
            " with it."
        )
    return _wrap(
        f"{words} The platforms of this run counted {told.sent.received:,} messages, over {told.sent.days} days of the demo's"
        " clock. They end with it: to send more, start `regulars simulate` and PUT its channels."
    )


def _lifts(measured: Measurement) -> Iterable[str]:
    yield _lift_table(
        "(a) Against the real purchases (GET /api/campaigns/NAME/lift). No simulated message can have caused any of them: the"
        " truth is no difference. An interval of 95% misses it one time in twenty.",
        measured.real,
    )
    yield _lift_table(
        f"(b) With responses added by a model, in memory alone: some of the treated who did not buy do so after all, for"
        f" {CURRENCY} {RESPONSE_REVENUE:.2f}, which lifts the share of buyers by {_points(STATED_LIFT)}. One draw, whatever it says:",
        measured.modelled,
    )


def _lift_table(heading: str, lifts: Sequence[Mapping[str, Any]]) -> str:
    widths = [15, 15, 8, 18]
    lines = [_wrap(heading), _row("  campaign", ["treated", "withheld", "lift", "95% interval"], widths) + "  seen"]
    for one in lifts:
        lift = one["lift"]
        shown = (
            ["-", "-"]
            if lift is None
            else [f"{lift['absolute']:+.1%}", f"{lift['interval'][0]:+.1%} … {lift['interval'][1]:+.1%}"]
        )
        cells = [_rate(one["treated"]), _rate(one["withheld"]), *shown]
        lines.append(_row(f"  {one['campaign']}", cells, widths) + f"  {VERDICTS[one['verdict']]}")
    return "\n".join(lines)


def _rate(arm: Mapping[str, Any]) -> str:
    share = f"{arm['converted'] / arm['members']:.1%}" if arm["members"] else "-"
    return f"{share} of {arm['members']:,}"


def _coverage(measured: Measurement) -> str:
    lines = [
        _wrap(
            f"Coverage, not luck: arms drawn again {REDRAWS:,} times (seed {measured.seed}) over what these members really did, and"
            f" responses by the model. {measured.covered(0):.1%} of the intervals cover zero in (a), {measured.covered(1):.1%} cover"
            f" the stated {_points(STATED_LIFT)} in (b):"
        ),
        _row("  campaign", ["covers zero", "covers the stated lift"], [14, 25]),
    ]
    for name, (real, modelled) in measured.studies.items():
        cells = [f"{one.conversions.covered:.1%}" for one in (real, modelled)]
        lines.append(_row(f"  {name}", cells, [14, 25]))
    return "\n".join(lines)


def _row(name: str, cells: Sequence[str], widths: Sequence[int], name_width: int = NAME_WIDTH) -> str:
    """Aligned as a terminal shows it: Chinese is two columns wide."""
    words = "".join(" " * (width - cell_len(cell)) + cell for cell, width in zip(cells, widths, strict=True))
    return name + " " * (name_width - cell_len(name)) + words


def _points(share: float) -> str:
    return f"{share * 100:g} points"


def _money(amount: Any) -> str:
    return f"{float(amount):,.2f}"


def _wrap(text: str, bullet: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))

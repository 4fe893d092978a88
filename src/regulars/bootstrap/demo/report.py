"""How a demo is told: totals beside what the API answered, what is missing, one member's story; at most 90 columns."""

import textwrap
from dataclasses import dataclass
from typing import Any, Final

from regulars.bootstrap.demo.audiences import Shown
from regulars.bootstrap.demo.checking import Checked
from regulars.bootstrap.demo.journey import CURRENCY, Counts
from regulars.bootstrap.demo.loading import CONTACT, COUPON, ORDER, Loaded
from regulars.bootstrap.demo.report_audiences import audiences_to_json, render_audiences
from regulars.bootstrap.demo.report_campaigns import Campaigned, campaigns_to_json, render_campaigns
from regulars.bootstrap.demo.rewarding import Rewarded, render_rewarded, rewarded_to_json
from regulars.bootstrap.demo.shift import Shift
from regulars.bootstrap.demo.story import Story
from regulars.kernel.clock import instant_text

WIDTH: Final = 88
LABEL_WIDTH: Final = 15
_NOT_SENT: Final = (
    "Campaigns: left out, since a server runs this home already, and would send by its own clock what the demo\nplans by"
    " another. Stop it and run the demo again to see them."
)

_ROWS: Final = (
    # total, its words, and the step of loading whose rows it counts
    ("members", "members", "members"),
    ("members_with_demographics", "  with demographics", None),
    ("items", "items", "items"),
    ("orders", "orders", None),
    ("order_lines", "  purchase lines", "orders"),
    ("coupons_redeemed", "coupons redeemed", None),
    ("campaigns", "past campaigns", None),
    ("campaign_contacts", "  contacts", None),
    ("unknown_items", "bought, but not in the catalogue", None),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a demo comes to."""

    counts: Counts
    checked: Checked
    loaded: Loaded
    shift: Shift
    currency: str
    seconds: dict[str, float]
    home: str
    story: Story | None
    shown: Shown
    rewarded: Rewarded | None = None
    """None where no programme was in force when the home was loaded."""
    campaigned: Campaigned | None = None
    """None where another server runs this home: it sends by its own clock."""


def render_report(outcome: Outcome) -> str:
    """The whole text."""
    parts = [_heading(outcome), _totals(outcome), _missing(outcome)]
    if outcome.story is not None:
        parts.append(_story(outcome.story))
    parts += render_audiences(outcome.shown)
    parts += [] if outcome.rewarded is None else render_rewarded(outcome.rewarded)
    parts += [_NOT_SENT] if outcome.campaigned is None else render_campaigns(outcome.campaigned)
    return "\n\n".join(parts)


def to_json(outcome: Outcome) -> dict[str, Any]:
    """The contract's line: the totals of the files, each of which the API confirmed."""
    counts, written = outcome.counts, outcome.loaded.written
    return {
        "members": counts.members,
        "items": counts.items,
        "orders": counts.orders,
        "order_lines": counts.order_lines,
        "coupons_redeemed": counts.coupons_redeemed,
        "campaigns": counts.campaigns,
        "campaign_contacts": counts.campaign_contacts,
        "members_with_demographics": counts.members_with_demographics,
        "unknown_items": len(outcome.checked.unknown_items),
        "revenue": f"{counts.revenue:f}",
        "currency": CURRENCY,
        "weeks_shifted": outcome.shift.weeks,
        "data_from": instant_text(outcome.shift.move(counts.first_at)),
        "data_until": instant_text(outcome.shift.move(counts.last_at)),
        "api": {total.name: total.api for total in outcome.checked.totals},
        "written": {
            "members": outcome.checked.members_written,
            "items": written.get("items", 0),
            "events": sum(written.get(name, 0) for name in (ORDER, COUPON, CONTACT)),
        },
        "seconds": {name: round(seconds, 2) for name, seconds in (outcome.seconds | outcome.loaded.seconds).items()},
        "home": outcome.home,
        **audiences_to_json(outcome.shown),
        **({} if outcome.rewarded is None else rewarded_to_json(outcome.rewarded)),
        **({} if outcome.campaigned is None else campaigns_to_json(outcome.campaigned)),
    }


def _heading(outcome: Outcome) -> str:
    counts, shift = outcome.counts, outcome.shift
    first, last = shift.move(counts.first_at), shift.move(counts.last_at)
    return _wrap(
        f"The Complete Journey (dunnhumby): purchases of {CURRENCY} {counts.revenue:,.2f} from {first:%Y-%m-%d} to"
        f" {last:%Y-%m-%d}. Everything is moved by the same {shift.weeks} weeks; in the files the last purchase is of"
        f" {counts.last_at:%Y-%m-%d}."
    )


def _totals(outcome: Outcome) -> str:
    checked, was_loaded = outcome.checked, bool(outcome.loaded.seconds)
    lines = [f"{'':34}{'files':>10}{'API':>11}" + (f"{'seconds':>10}{'a second':>11}" if was_loaded else "")]
    for name, words, step in _ROWS:
        total = next(total for total in checked.totals if total.name == name)
        line = f"{words:34}{total.files:>10,}{total.api:>11,}"
        if was_loaded and step:
            seconds = outcome.loaded.seconds[step]
            line += f"{seconds:>10.1f}{total.files / max(seconds, 0.001):>11,.0f}"
        lines.append(line)
    if checked.sample.revenue is not None:
        lines.append(
            f"Orders of {checked.sample.member_count} members, read one by one: {CURRENCY}"
            f" {checked.sample.revenue:,.2f}, to the cent as in the files."
        )
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in outcome.seconds.items() if name != "total")
    lines.append(_wrap(f"{outcome.seconds['total']:.1f} seconds in all: {steps}."))
    return "\n".join(lines)


def _missing(outcome: Outcome) -> str:
    counts = outcome.counts
    notes = [
        f"{counts.members - counts.members_with_demographics:,} of {counts.members:,} members have no demographics;"
        " the files give nobody a gender, a name, a phone or an e-mail.",
        f"{len(outcome.checked.unknown_items)} items were bought that the catalogue does not know"
        " (GET /api/items/{id} answers 404): " + ", ".join(outcome.checked.unknown_items) + ".",
        f"{counts.items_without_category:,} items have no category, {counts.items_without_size:,} no size, none a price.",
        f"The files' times name no zone; they are read as {outcome.shift.zone.key}. Coupons and campaigns have"
        " days without times: they stand at midnight.",
        f"Amounts are {CURRENCY}, as in the files" + _currency_note(outcome.currency) + ".",
    ]
    return "Missing, and left so:\n" + "\n".join(_wrap(note, "- ") for note in notes)


def _currency_note(currency: str) -> str:
    return "" if currency == CURRENCY else f"; nothing is converted to the brand's {currency}"


def _story(story: Story) -> str:
    lines = [story.title]
    asked = list(dict.fromkeys(fact.asked for fact in story.facts))
    indent = " " * LABEL_WIDTH
    for fact in story.facts:
        label = f"  {fact.label:{LABEL_WIDTH - 2}}"
        for at, words in enumerate(fact.words):
            source = f" [{asked.index(fact.asked) + 1}]" if at == len(fact.words) - 1 else ""
            lines += textwrap.wrap(words + source, WIDTH, initial_indent=label, subsequent_indent=indent)
            label = indent
    lines += [f"  [{number}] GET {path}" for number, path in enumerate(asked, 1)]
    return "\n".join(lines)


def _wrap(text: str, bullet: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))

"""How the demo's audiences are told: sizes and sentences, one of them leaf by leaf, one member's why and favourites."""

import textwrap
from collections.abc import Iterable
from typing import Any, Final

from regulars.bootstrap.demo.audiences import Shown
from regulars.kernel.clock import instant_text

WIDTH: Final = 88
WIDTH_CHINESE: Final = 40
"""Characters that are two columns wide each."""

FAVOURITES_SHOWN: Final = 3


def render_audiences(shown: Shown) -> Iterable[str]:
    """The paragraphs."""
    yield _sizes(shown)
    yield _leaves(shown)
    if shown.why is not None:
        yield _why(shown.why, shown.tags)


def audiences_to_json(shown: Shown) -> dict[str, Any]:
    """What the demo's line of JSON says of them."""
    return {
        "computed": {"members": shown.computing.done.looked_at, "changed": shown.computing.done.changed},
        "audiences": [
            {"name": one.name, "size": one.size, "milliseconds": round(one.milliseconds, 1)} for one in shown.counted
        ],
        "audiences_as_of": instant_text(shown.computing.as_of),
        "opening_milliseconds": round(shown.opening_milliseconds, 1),
        "explained": shown.explained,
        "why": shown.why,
    }


def _sizes(shown: Shown) -> str:
    lines = [
        f"Computed traits and favourites: {shown.computing.done.looked_at:,} members gone through,"
        f" {shown.computing.done.changed:,} changed.",
        f"Opening the history took {shown.opening_milliseconds:.0f} ms. Audiences (GET /api/audiences/NAME/count):",
    ]
    for one in shown.counted:
        lines.append(f"  {one.name:26}{one.size:>7,} members{one.milliseconds:>8.1f} ms")
        lines += textwrap.wrap(one.sentence, WIDTH_CHINESE, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _leaves(shown: Shown) -> str:
    explained = shown.explained
    lines = [f"Why these are the {explained['audience']}, leaf by leaf (GET /api/audiences/NAME/explain):"]
    lines += [_wrap(explained["sentence"]["en"], "  ")]
    for leaf in explained["leaves"]:
        lines.append(_wrap(f"{leaf['count']:,} members: {leaf['sentence']['en']}", "  - "))
    return "\n".join(lines)


def _why(why: dict[str, Any], tags: list[dict[str, Any]]) -> str:
    lines = [f"Why {why['member']} is one of them:" if why["in"] else f"Why {why['member']} is none of them:"]
    lines += [
        f"  - {leaf['path']}: saw {leaf['value']}, which {'holds' if leaf['holds'] else 'does not hold'}"
        for leaf in why["leaves"]
    ]
    lines += [
        _wrap(f"{tag['tag']}, weight {tag['weight']}: {tag['evidence']}", "  - ") for tag in tags[:FAVOURITES_SHOWN]
    ]
    if tags:
        lines.append(f"  regulars tags explain {why['member']} says it with all its numbers.")
    return "\n".join(lines)


def _wrap(text: str, bullet: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))

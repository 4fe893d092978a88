"""What a notebook shows of an audience. Colours are the page's own, or see-through, so that light and dark both read well.

Styles stand at each element: notebooks that are shared lose their style sheets first.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from regulars.client.asking import EcosystemError

_MUTED: Final = "opacity:.65"
_LINE: Final = "border-top:1px solid rgba(128,128,128,.25)"
_CELL: Final = (
    "padding:.4em .8em .4em 0;text-align:left;vertical-align:top;background:transparent;border:0;white-space:normal"
)
_NUMBER: Final = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
_BAR: Final = (
    "display:block;height:.6em;margin-top:.35em;border-radius:.3em;min-width:2px;background:rgba(56,132,255,.7)"
)
_TRACK: Final = "display:block;width:9em;border-radius:.3em;background:rgba(128,128,128,.18)"
_PILL: Final = (
    "display:inline-block;margin:.15em .35em .15em 0;padding:.05em .55em;border-radius:1em;"
    "border:1px solid rgba(128,128,128,.4);font-family:monospace;font-size:.9em"
)
_WARNING: Final = "margin:.5em 0;padding:.3em .7em;border-left:3px solid #d98e04;background:rgba(217,142,4,.12)"
_ERROR: Final = "margin:.5em 0;padding:.4em .8em;border-left:3px solid #d64545;background:rgba(214,69,69,.12)"


def show_audience(told: Mapping[str, Any], *, name: str | None) -> str:
    """Its size, its sentence, its leaves with their sizes, and some members."""
    count: int = told["count"]
    version = f" · version {told['version']}" if "version" in told else ""
    title = f"<strong>{escape(name)}</strong>{version} · " if name else ""
    head = (
        f'<div style="display:flex;gap:1.2em;align-items:baseline;flex-wrap:wrap">'
        f'<span style="font-size:2.2em;font-weight:600;line-height:1.1;font-variant-numeric:tabular-nums">{count:,}</span>'
        f'<span style="{_MUTED}">{title}<span lang="zh-TW">位會員</span> · members · {escape(told["as_of"])}</span></div>'
    )
    sentence = (
        f'<div lang="zh-TW" style="margin:.5em 0 .1em;font-size:1.05em">{escape(told["sentence"]["zh-TW"])}</div>'
        f'<div lang="en" style="{_MUTED};margin-bottom:.6em">{escape(told["sentence"]["en"])}</div>'
    )
    warnings = "".join(
        f'<div style="{_WARNING}">{escape(one["message"])} <code>{escape(one["path"])}</code></div>'
        for one in told.get("warnings", ())
    )
    return _frame(
        head + sentence + warnings + _show_leaves(told["leaves"], count) + _show_sample(told["sample"], count)
    )


def show_why(told: Mapping[str, Any]) -> str:
    """Whether a member is in, and each leaf: what it saw and whether it holds."""
    verdict = ("✓", "符合", "is in") if told["in"] else ("✗", "不符合", "is not in")
    head = (
        f'<div style="font-size:1.15em"><strong>{verdict[0]}</strong> <span style="{_PILL}">{escape(told["member"])}</span>'
        f' <span lang="zh-TW">{verdict[1]}</span> <span style="{_MUTED}">· {verdict[2]} · {escape(told["as_of"])}</span></div>'
    )
    rows = "".join(
        f'<tr style="{_LINE}"><td style="{_CELL}">{"✓" if leaf["holds"] else "✗"}</td>'
        f'<td style="{_CELL}">{_show_leaf(leaf)}</td><td style="{_CELL};{_NUMBER}">{_show_value(leaf["value"])}</td></tr>'
        for leaf in told["leaves"]
    )
    return _frame(head + _table(("", "條件 condition", "所見 seen"), rows))


def show_error(error: EcosystemError) -> str:
    """A refusal where an audience was expected."""
    place = f" <code>{escape(error.path)}</code>" if error.path else ""
    meant = f"<div>→ <strong>{escape(error.suggestion)}</strong></div>" if error.suggestion else ""
    return _frame(
        f'<div style="{_ERROR}"><code>{escape(error.code)}</code>{place}<div>{escape(error.message)}</div>{meant}</div>'
    )


def _show_leaves(leaves: Sequence[Mapping[str, Any]], count: int) -> str:
    widest = max([count, *(leaf["count"] for leaf in leaves), 1])
    rows = "".join(
        f'<tr style="{_LINE}"><td style="{_CELL}">{_show_leaf(leaf)}</td>'
        f'<td style="{_CELL}"><span style="{_TRACK}"><span style="{_BAR};width:{100 * leaf["count"] / widest:.1f}%">'
        f'</span></span></td><td style="{_CELL};{_NUMBER}">{leaf["count"]:,}</td></tr>'
        for leaf in leaves
    )
    return _table(("條件 condition", "", "會員 members"), rows) if leaves else ""


def _show_leaf(leaf: Mapping[str, Any]) -> str:
    sentence = leaf.get("sentence")
    if not sentence:
        return f"<code>{escape(leaf['path'])}</code>"
    return (
        f'<span lang="zh-TW" title="{escape(leaf["path"])}">{escape(sentence["zh-TW"])}</span>'
        f'<br><span lang="en" style="{_MUTED};font-size:.92em">{escape(sentence["en"])}</span>'
    )


def _show_sample(members: Sequence[str], count: int) -> str:
    pills = "".join(f'<span style="{_PILL}">{escape(member)}</span>' for member in members)
    more = f'<span style="{_MUTED}">+ {count - len(members):,}</span>' if count > len(members) else ""
    return f'<div style="margin-top:.6em">{pills}{more}</div>' if members else ""


def _show_value(value: object) -> str:
    if value is None:
        return f'<span style="{_MUTED}">–</span>'
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _table(headings: Sequence[str], rows: str) -> str:
    shown = "".join(
        f'<th style="{_CELL};{_MUTED};font-weight:500;{"text-align:right" if at == len(headings) - 1 else ""}">{heading}</th>'
        for at, heading in enumerate(headings)
    )
    return (
        f'<table style="border-collapse:collapse;border:0;margin:.4em 0;font-size:1em;background:transparent;color:inherit">'
        f"<thead><tr>{shown}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _frame(content: str) -> str:
    return f'<div class="regulars" style="max-width:56em;line-height:1.45;color:inherit">{content}</div>'

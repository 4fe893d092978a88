"""A condition as a sentence that people read, in Chinese as Taiwan writes it and in English."""

import re
from typing import Final, Literal, Protocol

from regulars.conditions import explain_en, explain_zh
from regulars.conditions.tree import AllOf, AnyOf, Leaf, Node, Not

Language = Literal["zh-TW", "en"]


_SPACED: Final = re.compile("「[^」]*」|[0-9%](?=[一-鿿])")
"""Where a blank belongs between a number and Chinese; what stands in quotes is left as it is."""


class _SayLeaf(Protocol):
    def __call__(self, leaf: Leaf, *, is_negated: bool = False) -> str: ...


_LEAVES: Final[dict[Language, _SayLeaf]] = {"zh-TW": explain_zh.say_leaf, "en": explain_en.say_leaf}


def explain(node: Node, language: Language) -> str:
    """One sentence that says who is meant."""
    node = _plain(node)
    match language:
        case "zh-TW":
            return _SPACED.sub(_space, _explain_zh(node))
        case "en":
            return _explain_en(node)


def explain_leaf(leaf: Leaf, language: Language) -> str:
    """One sentence for one leaf."""
    return explain(leaf, language)


def _space(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("「") else f"{found[0]} "


def _explain_zh(node: Node) -> str:
    match node:
        case AllOf(()):
            return "所有會員。"
        case AnyOf(()):
            return "沒有任何會員。"
        case AllOf(parts):
            return f"同時符合下列條件的會員：{'；'.join(_say(part, 'zh-TW') for part in parts)}。"
        case AnyOf(parts):
            return f"符合下列任一條件的會員：{'；'.join(_say(part, 'zh-TW') for part in parts)}。"
        case _:
            return f"{_say(node, 'zh-TW')}的會員。"


def _explain_en(node: Node) -> str:
    match node:
        case AllOf(()):
            return "All members."
        case AnyOf(()):
            return "No members."
        case AllOf(parts):
            return f"Members {_list_en(parts, 'and')}."
        case AnyOf(parts):
            return f"Members {_list_en(parts, 'or')}."
        case _:
            return f"Members {_say(node, 'en')}."


def _list_en(parts: tuple[Node, ...], word: str) -> str:
    said = [_say(part, "en") for part in parts]
    return f"{'; '.join(said[:-1])}; {word} {said[-1]}"


def _say(node: Node, language: Language) -> str:
    """A part inside a sentence; groups stand in brackets."""
    match node:
        case AllOf() | AnyOf():
            return _say_group(node, language)
        case Not(AllOf() | AnyOf() as group):
            is_all = isinstance(group, AllOf)
            if language == "zh-TW":
                return f"{'並非同時' if is_all else '並未'}符合{_say_group(group, language)}"
            return f"for whom {'not all' if is_all else 'none'} of this holds: {_say_group(group, language)}"
        case Not(part):
            return _LEAVES[language](_leaf(part), is_negated=True)
        case _:
            return _LEAVES[language](node)


def _say_group(group: AllOf | AnyOf, language: Language) -> str:
    said = [_say(part, language) for part in group.parts]
    is_all = isinstance(group, AllOf)
    if language == "zh-TW":
        return f"（{('；且' if is_all else '；或').join(said) or ('所有會員' if is_all else '沒有任何會員')}）"
    return f"({('; and ' if is_all else '; or ').join(said) or ('everybody' if is_all else 'nobody')})"


def _leaf(node: Node) -> Leaf:
    assert not isinstance(node, AllOf | AnyOf | Not), "what is plain negates groups and leaves only"
    return node


def _plain(node: Node) -> Node:
    """The same set with groups of one kind in each other made one, and without double negation."""
    match node:
        case AllOf(parts):
            return _flat(parts, AllOf)
        case AnyOf(parts):
            return _flat(parts, AnyOf)
        case Not(Not(part)):
            return _plain(part)
        case Not(part):
            inner = _plain(part)
            return inner.part if isinstance(inner, Not) else Not(inner)
        case _:
            return node


def _flat(parts: tuple[Node, ...], group: type[AllOf] | type[AnyOf]) -> Node:
    found: list[Node] = []
    for part in map(_plain, parts):
        found += part.parts if isinstance(part, group) else (part,)
    return found[0] if len(found) == 1 else group(tuple(found))

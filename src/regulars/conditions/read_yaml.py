"""Conditions as YAML: what is wrong is told with its line, and what YAML would pass over in silence is refused."""

from collections.abc import Hashable
from typing import Any, Final, cast

import yaml

from regulars.conditions.errors import ConditionError, TooDeep, YamlInvalid
from regulars.conditions.limits import YAML_CHARACTERS_MAX
from regulars.conditions.parse import Written, parse_written
from regulars.conditions.tree import Node
from regulars.kernel.nesting import NESTING_MAX


class _Loader(yaml.SafeLoader):
    """Refuses what is nested too deeply, repeated by reference, of a declared type, or said twice in one object."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = cast("Any", self).peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _refuse("an alias (*name) is not taken: write it again", line)
        if getattr(event, "tag", None) is not None:
            raise _refuse(f"a tag ({str(event.tag)[:60]}) is not taken", line)
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise TooDeep(f"line {line}: nested more than {NESTING_MAX} deep", path="/", line=line)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in _entries(node):
            if not isinstance(key, yaml.ScalarNode):
                raise _refuse("a name is a text", _line(key))
            if key.value in seen:
                raise _refuse(f"{str(key.value)[:60]!r} stands twice in one object", _line(key))
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_ROOT: Final = "/"


def parse_yaml(text: str) -> Node:
    """The tree of a YAML text. Raises: ConditionError; the message names the line, and the field `line` holds it."""
    return parse_yaml_written(text).tree


def parse_yaml_written(text: str) -> Written:
    """The tree of a YAML text, with where each leaf stands. Raises: as `parse_yaml` does."""
    root, data = load_yaml(text)
    try:
        return parse_written(data)
    except ConditionError as error:
        if root is None:
            raise
        line = find_line(root, error.path or _ROOT)
        raise type(error)(
            f"line {line}: {error.message}", path=error.path, suggestion=error.suggestion, line=line
        ) from error


def load_yaml(text: str) -> tuple[yaml.Node | None, object]:
    """What a YAML text says, and its nodes, for `find_line`. Raises: YamlInvalid, TooDeep."""
    if len(text) > YAML_CHARACTERS_MAX:
        raise YamlInvalid(f"the text has {len(text)} characters; {YAML_CHARACTERS_MAX} are allowed", path=_ROOT)
    try:
        loader = cast("Any", _Loader(text))
        root: yaml.Node | None = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refuse(error.problem or "not YAML", mark.line + 1 if mark else 1) from error
    except yaml.YAMLError as error:
        raise _refuse("a character that YAML does not know", 1) from error
    except (ValueError, OverflowError) as error:
        # Source: PyYAML reads 2026-02-30 and 0b as dates and numbers, and leaves what they say to Python.
        raise _refuse(f"a date or a number cannot be read: {str(error)[:100]}", 1) from error


def _refuse(message: str, line: int) -> YamlInvalid:
    return YamlInvalid(f"line {line}: {message}", path=_ROOT, line=line)


def find_line(root: yaml.Node, path: str) -> int:
    """The line of what a path names, or of the deepest part of it that was written."""
    node, line = root, _line(root)
    for step in path.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, yaml.SequenceNode) and name.isdecimal() and int(name) < len(node.value):
            node = cast("yaml.Node", node.value[int(name)])
            line = _line(node)
            continue
        found = [pair for pair in _entries(node) if pair[0].value == name] if isinstance(node, yaml.MappingNode) else []
        if not found:
            break
        line, node = _line(found[0][0]), found[0][1]
    return line


def _entries(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    return cast("list[tuple[yaml.Node, yaml.Node]]", node.value)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1

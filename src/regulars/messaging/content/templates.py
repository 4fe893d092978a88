"""Liquid as messages use it: what a template may say, and what a missing value means.

A value is missing when it is not there, null, or blank. Printed, it is taken by the next `default` filter; without one the
member is refused: nobody is greeted with "Hi ,". In a condition it is false, and equal to `nil`, `blank`, `empty` and `""`.

Templates touch nothing: no files, no other templates, no clock but the `now` they are given, no attributes, and
loops, values and output are limited. They are compiled once; rendering shares nothing and may run in threads.
"""

import builtins
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, cast

from liquid import BoundTemplate, Environment, RenderContext, Token
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path, StringLiteral
from liquid.builtin.expressions.primitive import Blank, Empty
from liquid.builtin.filters.misc import date as format_date
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.assign_tag import AssignTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.expression import Expression
from liquid.filter import with_context
from liquid.stream import TokenStream
from liquid.stringify import to_liquid_string
from liquid.undefined import UNDEFINED, Undefined
from liquid.utils import ReadOnlyChainMap

from regulars.messaging.content.limits import (
    LOCALS_BYTES_MAX,
    LOOP_ROUNDS_MAX,
    NUMBER_BITS_MAX,
    TEMPLATE_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
)
from regulars.messaging.errors import MissingValue, TemplateInvalid

OBJECTS: Final[Mapping[str, frozenset[str] | None]] = {
    "member": frozenset({"id", "traits", "tags", "language", "loyalty"}),
    "items": None,
    "campaign": frozenset({"name", "topic", "purpose"}),
    "brand": frozenset({"name", "currency", "time_zone"}),
    "now": None,
}
"""What a template can name, and what each holds; None where that is not a fixed set."""

PERSONAL: Final = frozenset({"member"})
"""The objects that differ from member to member."""

NAMES_TOLD_MAX: Final = 10
_TAGS: Final = frozenset(
    {"if", "unless", "case", "for", "break", "continue", "assign", "capture", "echo", "comment", "#", "raw"}
)
_TAKE_MISSING: Final = frozenset({"default", "size"})
_PSEUDO_TAGS: Final = frozenset({"content", "output", "illegal"})


class Missing(Undefined):
    """A value that is not there; `path` is how the template named it."""

    __slots__ = ("path",)

    def __init__(
        self, name: str, *, token: Token | None = None, obj: object = UNDEFINED, hint: str | None = None, path: str = ""
    ) -> None:
        super().__init__(name, token=token, obj=obj, hint=hint)
        self.path = path or name


class _Nothing(Expression):
    """What `blank`, `empty` and `""` become in comparisons: equal to a missing value, as that is to itself."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return Missing("blank")

    def children(self) -> list[Expression]:
        return []


class _Scope(RenderContext):
    """Looks names up in what was handed in and nothing else; blank values are missing ones."""

    __slots__ = ()

    def __init__(self, template: BoundTemplate, **options: Any) -> None:
        super().__init__(template, **options)
        self.scope = ReadOnlyChainMap(self.locals, self.globals)

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        """The value at a path, or Missing."""
        found: object = super().get(path, token=token, default=None)
        if isinstance(found, Missing):
            return found
        if found is None or found == [] or found == {} or (isinstance(found, str) and not found.strip()):
            return Missing(str(path[0]), token=token, path=_spell(path))
        return found


class _Bound(BoundTemplate):
    context_class = _Scope


class _Filled(FilteredExpression):
    """A value through filters, in which a missing value waits for a `default`."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        value = _check_size(self.left.evaluate(context))
        for one in self.filters or ():
            arguments, named = one.evaluate_args(context)
            absent = next((given for given in (*arguments, *named.values()) if isinstance(given, Missing)), None)
            if isinstance(value, Missing):
                if one.name in _TAKE_MISSING and absent is None:
                    value = one.evaluate(None, context)
            elif absent is not None and one.name != "default":
                value = absent
            else:
                _check_growth(one.name, value, arguments)
                value = _check_size(one.evaluate(value, context))
        return value

    @staticmethod
    def wrap(expression: Expression) -> Expression:
        if type(expression) is FilteredExpression:
            return _Filled(expression.token, expression.left, expression.filters)
        return expression


class _Printed(_Filled):
    """The same where it is printed: missing is an error, and so is nothing made out of something."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        value = super().evaluate(context)
        if isinstance(value, Missing):
            raise MissingValue(f"{value.path} is missing and no `default` stands in for it", variable=value.path)
        if isinstance(value, Mapping):
            raise MissingValue(f"{self.left} is not one value, but holds several", variable=str(self.left))
        if isinstance(self.left, Path) and not self._has_default() and _is_blank(value):
            name = _spell(self.left.path)
            raise MissingValue(f"{name} leaves nothing to print and no `default` stands in for it", variable=name)
        return value

    def _has_default(self) -> bool:
        return any(one.name == "default" for one in self.filters or ())

    @staticmethod
    def wrap(expression: Expression) -> Expression:
        if type(expression) is FilteredExpression:
            return _Printed(expression.token, expression.left, expression.filters)
        return expression


class _OutputTag(Output):
    def parse(self, stream: TokenStream) -> Any:
        node = super().parse(stream)
        node.expression = _Printed.wrap(node.expression)
        return node


class _EchoTag(EchoTag):
    def parse(self, stream: TokenStream) -> Any:
        node: Any = super().parse(stream)
        node.expression = _Printed.wrap(node.expression)
        return node


class _AssignTag(AssignTag):
    def parse(self, stream: TokenStream) -> Any:
        node = super().parse(stream)
        node.expression = _Filled.wrap(node.expression)
        return node


@with_context
def _date(value: Any, form: str, *, context: RenderContext) -> str:
    """`date`, in which "now" and "today" are the instant the message is made for."""
    if value in ("now", "today"):
        value = context.resolve("now")
    if isinstance(value, int | float) or not isinstance(form, str):
        raise MissingValue("`date` needs a date and a form")
    return format_date(value, form, environment=context.env)


class _Liquid(Environment):
    """The one environment all templates are read in."""

    template_class = _Bound
    block_nesting_limit: ClassVar[int] = 10
    context_depth_limit: ClassVar[int] = 20
    loop_iteration_limit: ClassVar[int | None] = LOOP_ROUNDS_MAX
    local_namespace_limit: ClassVar[int | None] = LOCALS_BYTES_MAX
    output_stream_limit: ClassVar[int | None] = VALUE_CHARACTERS_MAX * 4

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS or name in _PSEUDO_TAGS}
        for tag in (_OutputTag, _EchoTag, _AssignTag):
            self.add_tag(tag)
        self.filters["date"] = _date
        for name in ("safe", "escapejs"):
            self.filters.pop(name)


_LIQUID: Final = _Liquid(undefined=Missing)


class Template:
    """A compiled template.

    `known` is the text it is certain to hold, `variables` the paths it names, `item_ids` what `items['…']` asks for.
    """

    __slots__ = ("_bound", "_parts", "is_personal", "item_ids", "known", "path", "variables")

    def __init__(
        self,
        bound: BoundTemplate,
        path: str,
        variables: frozenset[str],
        roots: frozenset[str],
        item_ids: frozenset[str],
    ) -> None:
        self._bound = bound
        self._parts = _flatten(bound.nodes)
        self.path = path
        self.variables = variables
        self.item_ids = item_ids
        self.is_personal = not roots.isdisjoint(PERSONAL)
        self.known = "".join(node.text for node in bound.nodes if isinstance(node, ContentNode))

    def render(self, objects: Mapping[str, object]) -> str:
        """The text for these objects. Raises: MissingValue, TemplateInvalid."""
        try:
            if self._parts is None:
                return self._bound.render(objects)
            scope = _Scope(self._bound, globals=objects)
            text = "".join(
                one if isinstance(one, str) else to_liquid_string(one.evaluate(scope), autoescape=False)
                for one in self._parts
            )
            _check_size(text)
            return text
        except MissingValue as error:
            raise MissingValue(
                f"{self.path}: {error.message}", path=self.path, variable=error.fields.get("variable")
            ) from None
        except ResourceLimitError as error:
            raise TemplateInvalid(f"{self.path}: {error.message}", path=self.path) from None
        except LiquidError as error:
            said = f"{self.path}{_line(error)}: {error.message}"
            if not self.is_personal:
                raise TemplateInvalid(said, path=self.path) from None
            raise MissingValue(f"a value does not fit what is done with it: {said}", path=self.path) from None


def compile_template(source: str, path: str) -> Template | str:
    """A template, or the text itself where nothing in it is one. `path` is its place in the message.

    Raises: TemplateInvalid.
    """
    if len(source) > TEMPLATE_CHARACTERS_MAX:
        raise TemplateInvalid(
            f"{path} has {len(source)} characters, at most {TEMPLATE_CHARACTERS_MAX} are read", path=path
        )
    if "{{" not in source and "{%" not in source:
        return source
    try:
        bound = _LIQUID.from_string(source)
        analysis = bound.analyze(include_partials=False)
    except LiquidError as error:
        raise TemplateInvalid(f"{path}{_line(error)}: {error.message}", path=path, line=_line_number(error)) from None
    for name, spans in analysis.filters.items():
        if name not in _LIQUID.filters:
            said = f"there is no filter {name}"
            raise _invalid(path, source, spans[0].index, said, _suggest(name, _LIQUID.filters))
    variables: set[str] = set()
    item_ids: set[str] = set()
    for uses in analysis.globals.values():
        for use in uses:
            _check_name(path, source, use.segments, use.span.index)
            variables.add(_spell(use.segments))
            if use.segments[0] == "items":
                item_ids.add(_item_id(path, source, use.segments, use.span.index))
    for node in bound.nodes:
        _mend_comparisons(node)
    return Template(bound, path, frozenset(variables), frozenset(analysis.globals), frozenset(item_ids))


def _check_name(path: str, source: str, segments: Sequence[Any], index: int) -> None:
    root = str(segments[0])
    if root not in OBJECTS:
        raise _invalid(path, source, index, f"there is no object {root}", _suggest(root, OBJECTS))
    fields = OBJECTS[root]
    field = segments[1] if len(segments) > 1 else None
    if fields is None or not isinstance(field, str) or field in fields:
        return
    near = difflib.get_close_matches(field, fields, n=1)
    is_trait = root == "member"
    meant = f"{root}.{near[0]}" if near else f"member.traits.{field}" if is_trait else _suggest(field, fields)
    raise _invalid(path, source, index, f"{root} has no {field}", meant)


def _item_id(path: str, source: str, segments: Sequence[Any], index: int) -> str:
    """The id that is written out: an item is loaded for the whole message, before anybody's values are known."""
    item_id = segments[1] if len(segments) > 1 else None
    if not isinstance(item_id, str):
        raise _invalid(path, source, index, "items takes the id of one item, written out in quotes", "items['ID']")
    return item_id


def _invalid(path: str, source: str, index: int, said: str, suggestion: str | None) -> TemplateInvalid:
    line = source.count("\n", 0, index) + 1
    return TemplateInvalid(f"{path}, line {line}: {said}", path=path, suggestion=suggestion, line=line)


def _suggest(name: str, known: Iterable[str]) -> str | None:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return near[0] if near else ", ".join(names) if len(names) < NAMES_TOLD_MAX else None


def _mend_comparisons(node: Node) -> None:
    """Make `blank`, `empty` and `""` equal to a missing value, wherever they are compared."""
    for outer in node.expressions():
        for one in _expressions(outer):
            for side in ("left", "right"):
                literal = getattr(one, side, None)
                is_blank = isinstance(literal, StringLiteral) and not literal.value
                if (is_blank or isinstance(literal, Blank | Empty)) and not isinstance(one, FilteredExpression):
                    setattr(one, side, _Nothing(cast("Expression", literal).token))
    for child in node.children(cast("Any", None), include_partials=False):
        _mend_comparisons(child)


def _flatten(nodes: Sequence[Node]) -> list[str | Expression] | None:
    """Texts and what is printed between them, where a template is nothing more: rendered without a buffer."""
    parts: list[str | Expression] = []
    for node in nodes:
        if isinstance(node, ContentNode):
            parts.append(node.text)
        elif type(node) is OutputNode:
            parts.append(node.expression)
        else:
            return None
    return parts


def _is_blank(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _expressions(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        yield from _expressions(child)


def _check_size(value: object) -> object:
    """What passes from filter to filter. Raises: ResourceLimitError."""
    is_long = isinstance(value, str | list | range) and len(cast("str", value)) > VALUE_CHARACTERS_MAX
    if is_long or (isinstance(value, int) and value.bit_length() > NUMBER_BITS_MAX):
        raise ResourceLimitError(f"a value is longer than {VALUE_CHARACTERS_MAX}", token=None)
    return cast("object", value)


def _check_growth(name: str, value: object, arguments: Sequence[object]) -> None:
    """The filters whose result can be a multiple of what they are given. Raises: ResourceLimitError."""
    for one in arguments:
        _check_size(one)
    if name == "replace" and isinstance(value, str) and len(arguments) == 2:
        new = str(arguments[1])
        if (value.count(str(arguments[0])) or 1) * len(new) > VALUE_CHARACTERS_MAX:
            raise ResourceLimitError(f"a value is longer than {VALUE_CHARACTERS_MAX}", token=None)
    if name == "join" and isinstance(value, list) and arguments:
        texts = cast("list[object]", value)
        if len(texts) * len(str(arguments[0])) > VALUE_CHARACTERS_MAX:
            raise ResourceLimitError(f"a value is longer than {VALUE_CHARACTERS_MAX}", token=None)


def _spell(path: Sequence[Any]) -> str:
    """`member.traits.first_name`, however it was written."""
    return ".".join(
        str(one) if not isinstance(one, builtins.list) else f"[{_spell(cast('list[Any]', one))}]" for one in path
    )


def _line(error: LiquidError) -> str:
    line = _line_number(error)
    return f", line {line}" if line else ""


def _line_number(error: LiquidError) -> int | None:
    try:
        context = error.context()
    except ValueError:
        # At the very end of the template.
        return error.token.source.count("\n") + 1 if error.token else None
    return context[0] if context else None

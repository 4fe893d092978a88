"""A message: what is to be said, in one or several languages, compiled once and filled in for each member."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from regulars.messaging.content.languages import choose_language
from regulars.messaging.content.templates import Template
from regulars.messaging.errors import MissingValue
from regulars.messaging.ports import Content, Text

_ADDRESSES: Final = frozenset({"url", "image_url", "preview_url", "link"})
_UNKNOWN_TEXT: Final = "…"
_UNKNOWN_ADDRESS: Final = "https://example.com/"


@dataclass(frozen=True, slots=True)
class Shape:
    """A struct of the ports that is still to be filled in.

    `fields` hold texts, templates, shapes, tuples of shapes, or finished structs. `path` is the shape's own place in the
    message as it was written, `paths` those of its fields, which shorthands put elsewhere. `required` may not be blank.
    """

    kind: type[msgspec.Struct]
    fields: Mapping[str, Any]
    path: str
    paths: Mapping[str, str] = field(default_factory=dict[str, str])
    required: frozenset[str] = frozenset()

    def place(self, name: str) -> str:
        """Where a field was written."""
        return self.paths.get(name, f"{self.path}/{name}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One language of a message.

    `is_personal` is false where every member is told the same: the content may then be rendered once for all of them.
    `variables` are the paths that templates name, so that no more need be loaded; `items` the ids of items, each with the place
    where it is named first.
    """

    language: str
    shape: Shape
    is_personal: bool
    variables: frozenset[str]
    items: Mapping[str, str]
    constant: Content | None

    def render(self, objects: Mapping[str, object]) -> Content:
        """What these objects make of it. Raises: MissingValue, TemplateInvalid.

        Shape: `objects` holds `member`, `items`, `campaign`, `brand` (as far as `variables` name them) and `now`.
        """
        return self.constant or cast("Content", _fill(self.shape, objects))

    def sketch(self) -> Content:
        """What is certain before anybody is known: shorter than any rendering, with stand-ins for what is not written."""
        return self.constant or cast("Content", _sketch(self.shape, ""))

    def trace(self, pointer: str) -> str:
        """Where in the message something of its content was written: `/blocks/0/text` was `/message/en/text`."""
        place, current = self.shape.path, cast("Any", self.shape)
        for step in pointer.split("/")[1:]:
            if isinstance(current, Shape):
                place, current = current.place(step), current.fields.get(step)
            elif isinstance(current, tuple) and step.isdigit() and int(step) < len(cast("tuple[Any, ...]", current)):
                current = cast("Any", current[int(step)])
                place = current.path if isinstance(current, Shape) else f"{place}/{step}"
            else:
                return place
        return place


@dataclass(frozen=True, slots=True)
class Message:
    """All languages of a message, in the order they were written."""

    variants: Mapping[str, Variant]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.variants)

    @property
    def variables(self) -> frozenset[str]:
        """The paths that any language names."""
        return frozenset[str]().union(*(variant.variables for variant in self.variants.values()))

    @property
    def item_ids(self) -> frozenset[str]:
        """The items that any language names by their ids."""
        return frozenset[str]().union(*(variant.items for variant in self.variants.values()))

    def choose(self, wishes: Sequence[str]) -> Variant:
        """The language for somebody who would rather have these (see `languages.list_wishes`)."""
        return self.variants[choose_language(self.languages, wishes)]


def compile_variant(language: str, shape: Shape) -> Variant:
    """The variant of a content's shape."""
    templates = list(_templates(shape))
    return Variant(
        language,
        shape,
        is_personal=any(template.is_personal for template in templates),
        variables=frozenset[str]().union(*(template.variables for template in templates)),
        items={item_id: template.path for template in reversed(templates) for item_id in template.item_ids},
        constant=None if templates else cast("Content", _fill(shape, {})),
    )


def _templates(part: object) -> Iterator[Template]:
    if isinstance(part, Template):
        yield part
    elif isinstance(part, Shape):
        for value in part.fields.values():
            yield from _templates(value)
    elif isinstance(part, tuple):
        for value in cast("tuple[object, ...]", part):
            yield from _templates(value)


def _fill(shape: Shape, objects: Mapping[str, object]) -> msgspec.Struct | None:
    """The struct, or None for a text that came out blank: it says nothing."""
    values: dict[str, Any] = {}
    for name, part in shape.fields.items():
        value = _fill_part(part, objects)
        if isinstance(value, str) and not value.strip():
            if shape.kind is Text:
                return None
            if name in shape.required:
                raise MissingValue(f"{shape.place(name)} comes out blank", path=shape.place(name))
            continue
        values[name] = value
    if shape.kind is Content and not values["blocks"]:
        raise MissingValue(f"nothing of {shape.path} is left to say", path=shape.path)
    return shape.kind(**values)


def _fill_part(part: Any, objects: Mapping[str, object]) -> Any:
    if isinstance(part, Template):
        return part.render(objects)
    if isinstance(part, Shape):
        return _fill(part, objects)
    if isinstance(part, tuple):
        filled = (_fill_part(one, objects) for one in cast("tuple[Any, ...]", part))
        return tuple(one for one in filled if one is not None)
    return part


def _sketch(part: Any, name: str) -> Any:
    if isinstance(part, Template):
        known = part.known.strip()
        if name in _ADDRESSES:
            return known if "://" in known else _UNKNOWN_ADDRESS
        return known or _UNKNOWN_TEXT
    if isinstance(part, Shape):
        return part.kind(**{name: _sketch(value, name) for name, value in part.fields.items()})
    if isinstance(part, tuple):
        return tuple(_sketch(one, name) for one in cast("tuple[Any, ...]", part))
    return part

"""A programme as a file of YAML: its `name` beside its sections. What is wrong is told with its line."""

from datetime import date
from typing import Any, NamedTuple, cast

from regulars.conditions.errors import ConditionError
from regulars.conditions.places import Place
from regulars.conditions.read_yaml import find_line, load_yaml
from regulars.kernel.errors import DomainError
from regulars.loyalty.errors import ProgrammeInvalid
from regulars.loyalty.model import Programme
from regulars.loyalty.parsing import parse_programme, read_name


class ProgrammeFile(NamedTuple):
    """A programme's name, its sections as JSON, and what they mean."""

    name: str
    written: dict[str, Any]
    programme: Programme


def read_programme_file(text: str) -> ProgrammeFile:
    """Raises: ProgrammeInvalid, ConditionError; the message names the line."""
    try:
        root, data = load_yaml(text)
    except ConditionError as error:
        raise ProgrammeInvalid(error.message, path=error.path) from error
    try:
        if not isinstance(data, dict) or "name" not in data:
            raise ProgrammeInvalid("a programme's file has a 'name' beside its sections", path="/name")
        written = cast("dict[str, Any]", _to_json(cast("object", data)))
        name = read_name(Place(written.pop("name"), "/name"))
        return ProgrammeFile(name, written, parse_programme(written))
    except DomainError as error:
        if root is None:
            raise
        said = f"line {find_line(root, error.path or '/')}: {error.message}"
        raise type(error)(said, path=error.path, suggestion=error.suggestion) from error


def _to_json(value: object) -> object:
    """Dates that YAML reads without quotes become texts again."""
    match value:
        case dict():
            return {key: _to_json(one) for key, one in cast("dict[object, object]", value).items()}
        case list():
            return [_to_json(one) for one in cast("list[object]", value)]
        case date():
            return value.isoformat()
        case _:
            return value

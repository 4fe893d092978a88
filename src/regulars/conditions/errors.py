"""Refusals of the condition language. `path` leads through what was written, as in `/all/1/trait/agee`."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class ConditionError(DomainError):
    """A condition that cannot be meant as it is written."""

    kind: ClassVar[Kind] = Kind.INVALID


class Malformed(ConditionError):
    """Something is missing, empty, said twice, or cannot be read."""

    code: ClassVar[str] = "condition.malformed"


class WrongType(ConditionError):
    """A value or a test is of a type that does not belong here."""

    code: ClassVar[str] = "condition.wrong_type"


class UnknownNode(ConditionError):
    """Not a word that a condition begins with."""

    code: ClassVar[str] = "condition.unknown_node"


class UnknownKey(ConditionError):
    """Not a word that may stand inside this part of a condition."""

    code: ClassVar[str] = "condition.unknown_key"


class UnknownTrait(ConditionError):
    """No member of the brand ever had this trait."""

    code: ClassVar[str] = "condition.unknown_trait"


class UnknownTag(ConditionError):
    """No member of the brand ever had this tag."""

    code: ClassVar[str] = "condition.unknown_tag"


class UnknownEvent(ConditionError):
    """The brand never had an event of this name."""

    code: ClassVar[str] = "condition.unknown_event"


class UnknownProperty(ConditionError):
    """The brand's events of this name, or its items, never had this property."""

    code: ClassVar[str] = "condition.unknown_property"


class UnknownAudience(ConditionError):
    """The brand has no audience of this name."""

    code: ClassVar[str] = "condition.unknown_audience"


class UnknownIdentityKind(ConditionError):
    """Not a kind of identity."""

    code: ClassVar[str] = "condition.unknown_identity_kind"


class NumberInvalid(ConditionError):
    """A number is not finite, or has more digits than conditions compare."""

    code: ClassVar[str] = "condition.number_invalid"


class TextInvalid(ConditionError):
    """A text is empty, too long, or holds characters that no database stores."""

    code: ClassVar[str] = "condition.text_invalid"


class ImpossibleWindow(ConditionError):
    """A window that is empty, longer than ten years, or no window."""

    code: ClassVar[str] = "condition.impossible_window"


class ImpossibleRange(ConditionError):
    """Bounds between which no number lies."""

    code: ClassVar[str] = "condition.impossible_range"


class ImpossibleSequence(ConditionError):
    """Steps that cannot follow one another: too few, a negated one first, or two negated in a row."""

    code: ClassVar[str] = "condition.impossible_sequence"


class TooDeep(ConditionError):
    """`all`, `any` and `not` lie in each other too deeply."""

    code: ClassVar[str] = "condition.too_deep"


class TooManyLeaves(ConditionError):
    """More parts than a condition may have."""

    code: ClassVar[str] = "condition.too_many_leaves"


class TooManyValues(ConditionError):
    """A list or an object has more entries than it may have."""

    code: ClassVar[str] = "condition.too_many_values"


class NegatedFilter(ConditionError):
    """`exists: false` inside an event's filter, where nothing is negated."""

    code: ClassVar[str] = "condition.negated_filter"


class CircularAudience(ConditionError):
    """An audience that asks, by itself or through others, who is in it."""

    code: ClassVar[str] = "condition.circular_audience"


class PersonalTrait(ConditionError):
    """Of a personal trait, which is sealed, only `exists` and `equals` can be asked."""

    code: ClassVar[str] = "condition.personal_trait"


class UnknownAsset(ConditionError):
    """No programme of the brand has such points."""

    code: ClassVar[str] = "condition.unknown_asset"


class UnknownTier(ConditionError):
    """No programme of the brand has a level of this name."""

    code: ClassVar[str] = "condition.unknown_tier"


class UnknownBadge(ConditionError):
    """No programme of the brand has this badge."""

    code: ClassVar[str] = "condition.unknown_badge"


class UnknownMission(ConditionError):
    """No programme of the brand has this mission."""

    code: ClassVar[str] = "condition.unknown_mission"


class UnknownPool(ConditionError):
    """No programme of the brand has vouchers of this name."""

    code: ClassVar[str] = "condition.unknown_pool"


class NotOfOneEvent(ConditionError):
    """A part that asks for a member's history, where one event is asked at the moment it happens."""

    code: ClassVar[str] = "condition.not_of_one_event"


class YamlInvalid(ConditionError):
    """The text is not YAML; the message names the line."""

    code: ClassVar[str] = "condition.yaml_invalid"

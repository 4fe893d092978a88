"""Refusals of the members package."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class MemberUnknown(DomainError):
    """No member of this brand has this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "member.unknown"


class IdentityKindInvalid(DomainError):
    """Not a kind of identity."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "identity.kind_invalid"


class IdentityValueInvalid(DomainError):
    """The value cannot be one of its kind: a phone in no country, an e-mail without @, an empty text."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "identity.value_invalid"


class IdentityTaken(DomainError):
    """Another member holds this identity, and the two may not be joined by this alone."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "identity.taken"


class IdentityUnknown(DomainError):
    """The member has no such identity."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "identity.unknown"


class TooManyIdentities(DomainError):
    """A member has at most fifty identities."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "identity.too_many"


class MergeWithItself(DomainError):
    """Both ids are the same member, perhaps since an earlier merge."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "merge.same_member"


class MergeUnknown(DomainError):
    """No merge of this brand has this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "merge.unknown"


class MergeNotUndoable(DomainError):
    """The merge was undone already."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "merge.not_undoable"


class TraitNameInvalid(DomainError):
    """A trait's name is 1–100 characters without a slash."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "trait.name_invalid"


class TraitTypeInvalid(DomainError):
    """The declared type is not one that traits have."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "trait.type_invalid"


class TraitWrongType(DomainError):
    """A value is not of the trait's declared type."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "trait.wrong_type"


class TraitTooMany(DomainError):
    """A call sets at most 500 traits, and a brand has at most 5,000 names of traits."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "trait.too_many"


class TagInvalid(DomainError):
    """A tag has a wrong name, weight or expiry."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "tag.invalid"


class ConsentInvalid(DomainError):
    """A consent has a wrong channel, purpose or body."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "consent.invalid"


class PreferencesInvalid(DomainError):
    """Preferences have a wrong field or value."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "preferences.invalid"


class ConflictUnknown(DomainError):
    """No open identity conflict has this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "conflict.unknown"

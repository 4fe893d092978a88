"""What an identity is: its kinds, the normal form of its values, and how a value is stored.

Kinds join members differently. `user_id`, `card`, `line`, `telegram`, `messenger` and `anonymous_id` say who somebody
is, so an event that carries two of them joins their members; `phone` and `email` are shared in families and mistyped,
so they join only when verified. Values of personal kinds are sealed and found by a keyed digest.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import phonenumbers

from regulars.members.errors import IdentityKindInvalid, IdentityValueInvalid
from regulars.platform.crypto import Vault
from regulars.platform.tenancy import Brand

IDENTITIES_PER_MEMBER_MAX: Final = 50
VALUE_CHARACTERS_MAX: Final = 300

JOINING_KINDS: Final = frozenset({"user_id", "anonymous_id", "card", "line", "telegram", "messenger"})
PERSONAL_KINDS: Final = frozenset({"phone", "email", "card"})
KINDS: Final = ("user_id", "anonymous_id", "card", "line", "telegram", "messenger", "phone", "email")

_LINE_PROVIDER: Final = re.compile(r"line@[A-Za-z0-9_.-]{1,80}")
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@.]+")


class Identity(NamedTuple):
    """A kind and the normal form of its value."""

    kind: str
    value: str


Claim = tuple[Identity, ...]
"""The identities that one call or row says are one person's."""


def write_claim(claim: Iterable[Identity]) -> str:
    """A claim as one text, which is hashed once and compared in one place; no identity holds NUL."""
    return "\0".join([part for identity in claim for part in identity])


def read_claim(text: str) -> Claim:
    """The claim that `write_claim` wrote."""
    parts = text.split("\0")
    return tuple(map(Identity, parts[::2], parts[1::2]))


class StoredIdentity(NamedTuple):
    """An identity as its row holds it: `sealed` and `last_four` are None where the kind is not personal."""

    kind: str
    lookup: str
    sealed: bytes | None
    last_four: str | None


def is_kind(kind: str) -> bool:
    """Whether `kind` is one of ours, LINE of another provider included."""
    return kind in KINDS or _LINE_PROVIDER.fullmatch(kind) is not None


def joins(kind: str) -> bool:
    """Whether two members that share a value of this kind are one, without anybody verifying it."""
    return kind in JOINING_KINDS or kind.startswith("line@")


def parse_identity(kind: str, value: str, *, country: str) -> Identity:
    """Normal form of an identity.

    Raises: IdentityKindInvalid, IdentityValueInvalid (with the kind as path).
    """
    if not is_kind(kind):
        raise IdentityKindInvalid(f"{kind!r} is not a kind of identity; kinds are {', '.join(KINDS)}", path=kind)
    text = value.strip()
    if not text or len(text) > VALUE_CHARACTERS_MAX or "\0" in text:
        raise IdentityValueInvalid(f"a {kind} has 1–{VALUE_CHARACTERS_MAX} characters", path=kind)
    if kind == "phone":
        return Identity(kind, parse_phone(text, country=country))
    if kind == "email":
        if not _EMAIL.fullmatch(text):
            raise IdentityValueInvalid("not an e-mail address: it needs one @ and a domain", path=kind)
        return Identity(kind, text.casefold())
    return Identity(kind, text)


def parse_phone(text: str, *, country: str) -> str:
    """E.164, `+886912345678`; `country` is assumed where the number names none. Raises: IdentityValueInvalid."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        raise IdentityValueInvalid(f"not a phone number: {error}", path="phone") from error
    if not phonenumbers.is_possible_number(number):
        raise IdentityValueInvalid(
            f"no country has phone numbers like this one (read with country code +{number.country_code}); write it as +886912345678",
            path="phone",
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def fits(*identity_counts: int) -> bool:
    """Whether one member may have so many identities together."""
    return sum(identity_counts) <= IDENTITIES_PER_MEMBER_MAX


def lookup_of(identity: Identity, vault: Vault) -> str:
    """What the identity is found by: its value, or the keyed digest of it."""
    if identity.kind in PERSONAL_KINDS:
        return vault.digest(identity.kind, identity.value)
    return identity.value


def to_stored(identity: Identity, brand: Brand) -> StoredIdentity:
    """The identity as it is stored."""
    kind, value = identity
    if kind not in PERSONAL_KINDS:
        return StoredIdentity(kind, value, None, None)
    last_four = None if kind == "email" else brand.vault.digest("last four", value[-4:])
    return StoredIdentity(kind, lookup_of(identity, brand.vault), brand.vault.seal(value, kind), last_four)


def value_of(kind: str, lookup: str, sealed: bytes | None, vault: Vault) -> str:
    """The plain value of a stored identity."""
    return lookup if sealed is None else vault.unseal(sealed, kind)


def erasure_digest(identity: Identity, vault: Vault) -> str:
    """What remains of an erased member's identity: enough to recognise it, not to read it."""
    return vault.digest(f"erased {identity.kind}", identity.value)

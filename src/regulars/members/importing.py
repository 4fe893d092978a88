"""Members from files: identities and traits by column, each row an identify of its own."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from regulars.kernel.clock import Clock
from regulars.kernel.errors import DomainError
from regulars.members.identity import KINDS, Claim, is_kind, parse_identity, read_claim, write_claim
from regulars.members.service.joining import lock_brand, resolve_claims
from regulars.members.service.setting_traits import TraitUpdate, set_traits
from regulars.platform.db import Database
from regulars.platform.tabular.inference import CellConverter, apply_converters, infer_converters
from regulars.platform.tabular.mapped import MappedRow
from regulars.platform.tabular.mapping import FieldSpec, ImportSpec
from regulars.platform.tabular.run import Sink, SinkResult
from regulars.platform.tenancy import Brand

_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "user_id": ("user", "userid", "member_id", "customer_id", "id", "會員編號", "會員ID", "顧客編號"),
    "anonymous_id": ("device_id", "visitor_id"),
    "card": ("card_no", "card_number", "loyalty_card", "household_id", "卡號", "會員卡號"),
    "line": ("line_id", "line_user_id", "LINE ID"),
    "telegram": ("telegram_id", "tg_id"),
    "messenger": ("messenger_id",),
    "phone": ("mobile", "phone_number", "tel", "電話", "手機", "手機號碼"),
    "email": ("e-mail", "email_address", "mail", "電子郵件", "信箱"),
}


def build_identity_fields(names: Iterable[str]) -> tuple[FieldSpec, ...]:
    """All kinds of identity; of other LINE providers those that a file's columns or its mapping name."""
    others = sorted({name for name in names if is_kind(name)} - set(KINDS))
    return tuple(FieldSpec(kind, aliases=_ALIASES.get(kind, ())) for kind in (*KINDS, *others))


def build_members_spec(names: Iterable[str]) -> ImportSpec:
    """What a members file may hold; `names`: its columns and mapped fields."""
    identities = build_identity_fields(names)
    return ImportSpec(fields=identities, one_of=(tuple(field.name for field in identities),))


class FileTypes:
    """What the columns of one file hold, decided by its first batch. Only text files need it."""

    def __init__(self, *, is_text: bool) -> None:
        self._is_text = is_text
        self._converters: dict[str, CellConverter] | None = None

    def convert(self, rows: list[MappedRow]) -> list[dict[str, Any]]:
        """The rows' properties with their types."""
        if not self._is_text:
            return [row.properties for row in rows]
        if self._converters is None:
            self._converters = infer_converters(row.properties for row in rows)
        converters = self._converters
        return (
            [apply_converters(row.properties, converters) for row in rows]
            if converters
            else [r.properties for r in rows]
        )


CLAIMS_REMEMBERED_MAX: Final = 50_000


def parse_claim(fields: dict[str, Any], country: str) -> Claim:
    """The identities of a row, the most telling first. Raises: IdentityValueInvalid with the kind as path."""
    return read_claim(parse_who(fields, country))


def parse_who(fields: dict[str, Any], country: str) -> str:
    """The same as `write_claim` writes it."""
    kinds = _kinds_among(tuple(fields))
    if len(kinds) == 1:
        return _who_of(kinds, (str(fields[kinds[0]]),), country)
    return _who_of(kinds, tuple([str(fields[kind]) for kind in kinds]), country)


@lru_cache(maxsize=1_000)
def _kinds_among(names: tuple[str, ...]) -> tuple[str, ...]:
    others = [name for name in names if name.startswith("line@")]
    return tuple(kind for kind in (*KINDS, *others) if kind in names)


@lru_cache(maxsize=CLAIMS_REMEMBERED_MAX)
def _who_of(kinds: tuple[str, ...], values: tuple[str, ...], country: str) -> str:
    """The same people come again and again."""
    return write_claim(
        [parse_identity(kind, value, country=country) for kind, value in zip(kinds, values, strict=True)]
    )


def build_member_sink(database: Database, brand: Brand, clock: Clock, *, is_text: bool) -> Sink[list[MappedRow]]:
    """Writes a batch of members in one transaction; a row whose identities cannot be right is rejected with its field."""
    types = FileTypes(is_text=is_text)

    async def write(rows: list[MappedRow]) -> SinkResult:
        now = clock()
        claims: dict[int, Claim] = {}
        rejected: list[tuple[int, str | None, str]] = []
        for at, row in enumerate(rows):
            try:
                claims[at] = parse_claim(row.fields, brand.country)
            except DomainError as error:
                rejected.append((at, error.path, error.message))
        properties = types.convert(rows)
        async with database.write() as tx:
            await lock_brand(tx, brand)
            origins = await resolve_claims(tx, brand, list(dict.fromkeys(claims.values())), now=now)
            places = [at for at, claim in claims.items() if claim in origins]
            updates = [TraitUpdate(origins[claims[at]], _traits(rows[at], properties[at]), now) for at in places]
            result = await set_traits(tx, brand, updates, now=now)
        refused = {places[problem.index]: problem.error for problem in result.problems}
        rejected += [(at, error.path, error.message) for at, error in refused.items()]
        written = sum(1 for index in result.changed if places[index] not in refused)
        return SinkResult(written, len(rows) - written - len(rejected), rejected)

    return Sink(list, write)


def _traits(row: MappedRow, properties: dict[str, Any]) -> dict[str, Any]:
    """Phone and e-mail are traits too, as they are in an identify."""
    reachable = {kind: row.fields[kind] for kind in ("phone", "email") if kind in row.fields}
    return {**properties, **reachable}

"""A brand's programmes made ready to be asked, all their versions; compiled once."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from regulars.conditions.lower import Personal
from regulars.conditions.tree import Scalar
from regulars.events.vocabulary import names_of
from regulars.kernel.ids import BrandId
from regulars.loyalty.compiling import Edition, compile_edition
from regulars.loyalty.model import Programme, SetTag
from regulars.loyalty.service.programmes import list_version_numbers, list_versions
from regulars.members.service.reading import list_traits
from regulars.members.service.setting_traits import digest_trait
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand


@dataclass(frozen=True)
class Programmes:
    """All versions of each programme, oldest first."""

    editions: dict[str, list[Edition]]

    @property
    def names(self) -> list[str]:
        """The events that any of them looks at."""
        return sorted({name for versions in self.editions.values() for one in versions for name in one.names})

    @property
    def asks_member(self) -> bool:
        return any(one.asks_member for versions in self.editions.values() for one in versions)

    @property
    def asks_items(self) -> bool:
        return any(one.asks_items for versions in self.editions.values() for one in versions)

    @property
    def asks_lines(self) -> bool:
        return any(one.asks_lines for versions in self.editions.values() for one in versions)

    @property
    def sets_tags(self) -> bool:
        """Whether members are changed, under the brand's lock."""
        return any(
            isinstance(effect, SetTag)
            for versions in self.editions.values()
            for one in versions
            for part in (*one.programme.earn, *(mission.then for mission in one.programme.missions))
            for effect in part.award
        )


class _Known(NamedTuple):
    state: tuple[object, ...]
    programmes: Programmes


@dataclass(slots=True)
class Editions:
    """What was compiled, by brand."""

    _known: dict[BrandId, _Known] = field(default_factory=dict[BrandId, _Known])

    async def load(self, tx: ReadTransaction, brand: Brand) -> Programmes:
        """As the brand has them now."""
        personal = await _list_personal(tx, brand)
        state = (await list_version_numbers(tx, brand.brand_id), personal, brand.time_zone)
        known = self._known.get(brand.brand_id)
        if known is None or known.state != state:
            asked = _to_personal(brand, personal)
            editions: dict[str, list[Edition]] = {}
            for one in await list_versions(tx, brand.brand_id):
                edition = compile_edition(
                    one.version, one.from_at, one.from_seq, one.programme, brand.time_zone, names_of, asked
                )
                editions.setdefault(one.name, []).append(edition)
            known = self._known[brand.brand_id] = _Known(state, Programmes(editions))
        return known.programmes


async def compile_for(tx: ReadTransaction, brand: Brand, programme: Programme, *, now: datetime) -> Edition:
    """A programme by itself, as if it had been in force from the beginning. Raises: NotOfOneEvent."""
    personal = _to_personal(brand, await _list_personal(tx, brand))
    return compile_edition(1, now, -1, programme, brand.time_zone, names_of, personal)


async def _list_personal(tx: ReadTransaction, brand: Brand) -> frozenset[str]:
    return frozenset(one["name"] for one in await list_traits(tx, brand) if one["personal"])


def _to_personal(brand: Brand, traits: frozenset[str]) -> Personal:
    return Personal(traits, lambda trait, value: digest_trait(brand, trait, _as_json(value)))


def _as_json(value: Scalar) -> object:
    """A value as an identify says it."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)

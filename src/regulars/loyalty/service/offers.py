"""What programmes in force offer by name: pools, rewards, staged events, scores."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from regulars.conditions.places import suggest_name
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId
from regulars.loyalty.awarding import is_valid_on
from regulars.loyalty.dates import local_day
from regulars.loyalty.errors import ProgrammeAmbiguous, ProgrammeNotValid
from regulars.loyalty.model import GenericCode, Programme, Registration, Reward, Score, VoucherPool
from regulars.loyalty.service.programmes import Version, list_in_force, list_versions
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

Offered = TypeVar("Offered", VoucherPool, Reward, Registration, Score)


async def get_offered(
    tx: ReadTransaction,
    brand: Brand,
    section: Callable[[Programme], Sequence[Offered]],
    name: str,
    programme: str | None,
    unknown: type[DomainError],
) -> tuple[Version, Offered]:
    """What a section of a programme in force has under a name; of the named programme, or of the only one that has it.

    Raises: `unknown`, ProgrammeAmbiguous.
    """
    versions = [one for one in await list_in_force(tx, brand.brand_id) if programme in (None, one.name)]
    found = [(version, one) for version in versions if (one := find_named(section(version.programme), name))]
    if not found:
        known = [one.name for version in versions for one in section(version.programme)]
        place = "no programme has" if programme is None else f"the programme {programme[:100]!r} has no"
        raise unknown(f"{place} {name[:100]!r}", suggestion=suggest_name(name, known))
    if len(found) > 1:
        names = ", ".join(version.name for version, _ in found)
        said = f"several programmes have {name[:100]!r}: say in 'programme' which, {names}"
        raise ProgrammeAmbiguous(said, path="/programme", suggestion=found[0][0].name)
    return found[0]


def find_named(entries: Sequence[Offered], name: str) -> Offered | None:
    """The one of this name."""
    return next((one for one in entries if one.name == name), None)


def check_valid(version: Version, brand: Brand, now: datetime) -> None:
    """That a programme gives something today. Raises: ProgrammeNotValid."""
    if not is_valid_on(version.programme.valid, local_day(now, brand.time_zone)):
        raise ProgrammeNotValid(f"the programme {version.name!r} is not valid today")


async def find_pool(tx: ReadTransaction, brand_id: BrandId, programme: str, name: str) -> VoucherPool | None:
    """A pool as the newest version that has it says: of one that was taken out, vouchers stay what they were."""
    for version in await list_in_force(tx, brand_id):
        if version.name == programme and (pool := find_named(version.programme.vouchers, name)):
            return pool
    former = [one for one in await list_versions(tx, brand_id) if one.name == programme]
    pools = [find_named(one.programme.vouchers, name) for one in reversed(former)]
    return next((one for one in pools if one is not None), None)


async def find_generic(tx: ReadTransaction, brand_id: BrandId, code: str) -> tuple[Version, VoucherPool] | None:
    """The pool in force whose one code this is; the first programme's, where several have it."""
    for version in await list_in_force(tx, brand_id):
        for pool in version.programme.vouchers:
            if isinstance(pool.codes, GenericCode) and pool.codes.generic == code:
                return version, pool
    return None

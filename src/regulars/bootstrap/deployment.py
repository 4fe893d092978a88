"""A deployment on disk and in its database: its home, master key, credentials, schema and first brand.

    HOME/credentials.json   the keys of each brand, 0600
    HOME/master.key         wraps the data keys of all brands, 0600; losing it loses all sealed data

Decides where secrets live and in which order a fresh deployment comes to be; every step may be repeated.
"""

import asyncio
import base64
import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import regulars
from regulars.access import service as access
from regulars.access.service import BrandKeys
from regulars.events.service.taking import ensure_months
from regulars.kernel.clock import Clock, system_clock
from regulars.kernel.errors import DomainError, Kind
from regulars.platform.crypto import new_key
from regulars.platform.db import Database, translated_failures
from regulars.platform.jobs import ensure_job_schema
from regulars.platform.migrate import apply_migrations, list_migrations
from regulars.platform.postgres import open_postgres
from regulars.platform.settings import Settings, decode_master_key
from regulars.platform.tenancy import Brand

FIRST_BRAND = "default"


class HomeUnusable(DomainError):
    """The home folder cannot be made or used."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "home.unusable"


class SecretUnreadable(DomainError):
    """A secret file of HOME is missing or garbled."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "secret.unreadable"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One home and its database."""

    home: Path
    dsn: str
    master_key: bytes
    clock: Clock = system_clock

    @property
    def credentials_file(self) -> Path:
        return self.home / "credentials.json"


@contextmanager
def open_deployment(settings: Settings) -> Generator[Deployment]:
    """The deployment for one command: shares a running server's PostgreSQL, else runs it meanwhile."""
    home = ensure_home(settings)
    if settings.database_url is not None:
        yield prepare_deployment(settings, settings.database_url)
        return
    with open_postgres(home) as address:
        yield prepare_deployment(settings, address.socket_dsn)


def prepare_deployment(settings: Settings, dsn: str) -> Deployment:
    """Schema, jobs, months and the first brand, made where missing.

    Raises: DatabaseUnavailable, StorageFull, SchemaTooNew, SchemaChanged, WrongMasterKey.
    """
    home = ensure_home(settings)
    with translated_failures():
        apply_migrations(dsn, list_migrations(Path(regulars.__file__).parent))
        ensure_job_schema(dsn)
    return asyncio.run(_ensure_first_brand(settings, home, dsn))


def ensure_home(settings: Settings) -> Path:
    """The home's absolute path; the folder is made."""
    home = settings.home.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable(
            f"{home} cannot be the home of a deployment: {error.strerror}; choose another with --home", path=str(home)
        ) from error
    return home


def read_master_key(home: Path, settings: Settings) -> bytes:
    """From the settings, else from HOME. Raises: SecretUnreadable."""
    if settings.master_key is not None:
        return decode_master_key(settings.master_key)
    file = home / "master.key"
    try:
        return decode_master_key(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise SecretUnreadable(
            f"{file} cannot be read ({error}): put it back from a backup; without it what is sealed stays closed",
            path=str(file),
        ) from error


def ensure_master_key(home: Path, settings: Settings) -> None:
    """Make HOME/master.key for a database that has no brand yet; one that is there stays."""
    file = home / "master.key"
    if settings.master_key is None and not file.exists():
        write_secret(file, base64.b64encode(new_key()).decode() + "\n", replace=False)


def read_credentials(deployment: Deployment) -> dict[str, BrandKeys]:
    """The keys of the brands whose keys this home keeps."""
    if not deployment.credentials_file.exists():
        return {}
    try:
        stored: dict[str, dict[str, str]] = json.loads(deployment.credentials_file.read_text(encoding="utf-8"))
        return {name: BrandKeys(keys["api_key"], keys["write_key"]) for name, keys in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SecretUnreadable(
            f"{deployment.credentials_file} cannot be read ({error}): mend it, put it back from a backup, or move it"
            " away to be given new keys",
            path=str(deployment.credentials_file),
        ) from error


def keep_credentials(deployment: Deployment, name: str, keys: BrandKeys) -> None:
    """Add a brand's keys to HOME/credentials.json. Locks: HOME/credentials.lock, so that two commands lose no keys."""
    with (deployment.home / "credentials.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = read_credentials(deployment) | {name: keys}
        stored = {brand: {"api_key": pair.api_key, "write_key": pair.write_key} for brand, pair in kept.items()}
        write_secret(deployment.credentials_file, json.dumps(stored, indent=2, ensure_ascii=False) + "\n", replace=True)


def write_secret(file: Path, text: str, *, replace: bool) -> None:
    """Write a 0600 file so that nobody ever sees a part of it. `replace=False`: one that is there already stays."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    try:
        if replace:
            draft.replace(file)
        else:
            file.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


async def _ensure_first_brand(settings: Settings, home: Path, dsn: str) -> Deployment:
    """The first brand and its keys; keys of HOME are made valid in a database that does not know them yet."""
    database = Database(dsn, connections_max=1)
    await database.open()
    try:
        async with database.write() as tx:
            is_fresh = FIRST_BRAND not in await access.list_brand_names(tx)
            if is_fresh:
                ensure_master_key(home, settings)
            deployment = Deployment(home, dsn, read_master_key(home, settings))
            now, master_key = deployment.clock(), deployment.master_key
            await ensure_months(tx, now)
            keys = read_credentials(deployment).get(FIRST_BRAND)
            if keys is None:
                keys = access.new_keys()
                keep_credentials(deployment, FIRST_BRAND, keys)
            if is_fresh:
                await access.create_brand(tx, FIRST_BRAND, keys, master_key=master_key, now=now)
            brand = await access.get_brand(tx, FIRST_BRAND, master_key=master_key)
            await access.ensure_keys(tx, brand.brand_id, keys, now=now)
            return deployment
    finally:
        await database.close()


async def add_brand(deployment: Deployment, name: str) -> BrandKeys:
    """A further brand; its keys are kept in HOME too. Raises: BrandNameInvalid, BrandExists."""
    database = Database(deployment.dsn, connections_max=1)
    await database.open()
    keys = access.new_keys()
    try:
        async with database.write() as tx:
            await access.create_brand(tx, name, keys, master_key=deployment.master_key, now=deployment.clock())
            # Before the commit: keys of a brand that never came to be harm nobody, a brand whose keys are lost does.
            keep_credentials(deployment, name, keys)
    finally:
        await database.close()
    return keys


async def list_brands(deployment: Deployment) -> list[str]:
    """Names of all brands, oldest first."""
    database = Database(deployment.dsn, connections_max=1)
    await database.open()
    try:
        async with database.read() as tx:
            return await access.list_brand_names(tx)
    finally:
        await database.close()


async def get_brand(deployment: Deployment, database: Database, name: str) -> Brand:
    """A brand by name. Raises: BrandUnknown."""
    async with database.read() as tx:
        return await access.get_brand(tx, name, master_key=deployment.master_key)

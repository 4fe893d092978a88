"""A deployment's secrets and first brand: made once, kept private, refused when they cannot be right."""

import asyncio
import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regulars.access.errors import BrandExists
from regulars.bootstrap.deployment import (
    HomeUnusable,
    SecretUnreadable,
    add_brand,
    keep_credentials,
    prepare_deployment,
    read_credentials,
)
from regulars.platform.crypto import new_key
from regulars.platform.errors import WrongMasterKey
from regulars.platform.settings import Settings, read_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(home=tmp_path / "家 home")


def test_a_fresh_home_gets_private_secrets_and_keeps_them(dsn: str, settings: Settings) -> None:
    first = prepare_deployment(settings, dsn)
    again = prepare_deployment(settings, dsn)
    assert again.master_key == first.master_key
    assert read_credentials(again) == read_credentials(first)
    for name in ("credentials.json", "master.key"):
        assert stat.S_IMODE((first.home / name).stat().st_mode) == 0o600


def test_a_lost_master_key_is_told_and_not_replaced(dsn: str, settings: Settings) -> None:
    file = prepare_deployment(settings, dsn).home / "master.key"
    file.unlink()
    with pytest.raises(SecretUnreadable, match=r"master\.key"):
        prepare_deployment(settings, dsn)
    assert not file.exists()


@pytest.mark.parametrize("text", ["", "short", "AAAA"])
def test_a_garbled_master_key_is_told(dsn: str, settings: Settings, text: str) -> None:
    (prepare_deployment(settings, dsn).home / "master.key").write_text(text)
    with pytest.raises(SecretUnreadable, match=r"master\.key"):
        prepare_deployment(settings, dsn)


def test_another_databases_master_key_is_told(dsn: str, settings: Settings) -> None:
    prepare_deployment(settings, dsn)
    other = settings.model_copy(update={"master_key": base64.b64encode(new_key()).decode()})
    with pytest.raises(WrongMasterKey, match="put back"):
        prepare_deployment(other, dsn)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"default": {}}', '{"default": 1}'])
def test_garbled_credentials_are_told(dsn: str, settings: Settings, text: str) -> None:
    prepare_deployment(settings, dsn).credentials_file.write_text(text)
    with pytest.raises(SecretUnreadable, match=r"credentials\.json"):
        prepare_deployment(settings, dsn)


def test_a_home_that_is_a_file_is_told(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnusable, match="--home"):
        prepare_deployment(read_settings(home=tmp_path / "file"), dsn)


def test_two_commands_that_keep_keys_at_once_lose_none(dsn: str, settings: Settings) -> None:
    deployment = prepare_deployment(settings, dsn)
    keys = read_credentials(deployment)["default"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: keep_credentials(deployment, f"brand {number}", keys), range(24)))
    assert len(read_credentials(deployment)) == 25


def test_a_brand_that_exists_keeps_its_keys(dsn: str, settings: Settings) -> None:
    deployment = prepare_deployment(settings, dsn)
    keys = asyncio.run(add_brand(deployment, "書店"))
    with pytest.raises(BrandExists):
        asyncio.run(add_brand(deployment, "書店"))
    assert read_credentials(deployment)["書店"] == keys

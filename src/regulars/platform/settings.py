"""What the environment may set; read once, in bootstrap, and passed on."""

import base64
import binascii
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from regulars.platform.crypto import KEY_BYTES
from regulars.platform.errors import SettingInvalid


class Settings(BaseSettings):
    """Each field is the environment variable `REGULARS_<FIELD>`; docs/reference/settings.md tells each."""

    model_config = SettingsConfigDict(env_prefix="REGULARS_", frozen=True, extra="ignore")

    home: Path = Field(default=Path("regulars-home"), description="folder that holds everything a deployment owns")
    database_url: str | None = Field(default=None, description="an own PostgreSQL ≥ 15 instead of the embedded one")
    master_key: str | None = Field(default=None, description="32 bytes in base64; else HOME/master.key")
    history_url: str | None = Field(default=None, description="folder of the event history; else HOME/history")
    history_memory_mib: int = Field(default=1024, ge=128, description="most memory of the history's engine, a process")
    history_seal_seconds: float = Field(
        default=300, gt=0, description="how old an event gets before it moves from PostgreSQL to the history"
    )
    history_threads: int = Field(default=2, ge=1, le=256, description="most threads of the history's engine, a process")
    engine: str | None = Field(
        default=None, description="`sc://host:port` of a Spark Connect cluster that counts; else DuckDB in process"
    )
    public_url: str | None = Field(
        default=None, description="address under which members and channels reach this; else the one served"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    log_format: Literal["text", "json"] = Field(default="text", description="how a log line is written, on stderr")

    @field_validator("engine")
    @classmethod
    def _check_engine(cls, value: str | None) -> str | None:
        if value is not None:
            check_engine_url(value)
        return value

    @field_validator("master_key")
    @classmethod
    def _check_master_key(cls, value: str | None) -> str | None:
        if value is not None:
            decode_master_key(value)
        return value


def check_engine_url(url: str) -> None:
    """`sc://host:port`, and behind `/;` what the client needs: `key=value;…`. The URL may hold a token: no message shows it.

    Source: Spark Connect, «Client connection string», read 2026-11-22. Raises: ValueError.
    """
    if not url.startswith("sc://"):
        raise ValueError("must begin with sc://, such as sc://localhost:50051")
    parts = urlparse("http" + url.removeprefix("sc"))
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("has a path: behind the host only /;key=value is read")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("has a port that is not one from 1 to 65535") from error
    if not parts.hostname or port == 0:
        raise ValueError("needs a host and a port, such as sc://localhost:50051")
    if any(pair.count("=") != 1 for pair in parts.params.split(";") if parts.params):
        raise ValueError("has a parameter that is not key=value")


def decode_master_key(text: str) -> bytes:
    """32 bytes from base64. Raises: ValueError."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64: {error}") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"must be {KEY_BYTES} bytes, not {len(key)}")
    return key


def read_settings(**overrides: object) -> Settings:
    """Environment and overrides (None means: not given). Raises: SettingInvalid, which names the variable."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors()[0]
        name = "REGULARS_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingInvalid(f"{name}: {first['msg']}", path=name) from error

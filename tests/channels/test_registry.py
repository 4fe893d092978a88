"""The settings of channels: what PUT takes, what is named when it is wrong, and which of it is never shown."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from regulars.channels.registry import Kinds
from regulars.messaging.errors import ChannelInvalid
from regulars.messaging.ports import Channel, ChannelForm

KINDS = Kinds(lambda: datetime(2026, 12, 1, tzinfo=UTC))
LINE = {"kind": "line", "base_url": "http://127.0.0.1:9/", "access_token": "TOKEN-secret", "secret": "SIGN-secret"}
TELEGRAM = {
    "kind": "telegram",
    "base_url": "https://api.telegram.org",
    "token": "1:TOKEN-secret",
    "secret_token": "HOOK-secret",
}
EMAIL = {"kind": "email", "smtp_url": "smtp://USER-secret:PASS-secret@127.0.0.1:2525", "from": "shop@example.com"}


def pem(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


RSA = pem(rsa.generate_private_key(public_exponent=65_537, key_size=1_024))
DKIM = {"domain": "example.com", "selector": "s1", "private_key": RSA}


@pytest.mark.parametrize(
    ("body", "identity_kind", "shown"),
    [
        (LINE, "line", {"base_url": "http://127.0.0.1:9", "provider": "main"}),
        (LINE | {"provider": "main"}, "line", {"base_url": "http://127.0.0.1:9", "provider": "main"}),
        (LINE | {"provider": "other"}, "line@other", {"base_url": "http://127.0.0.1:9", "provider": "other"}),
        (LINE | {"base_url": None}, "line", {"base_url": "https://api.line.me", "provider": "main"}),
        (TELEGRAM, "telegram", {"base_url": "https://api.telegram.org"}),
        (TELEGRAM | {"messages_per_second": 5}, "telegram", {"base_url": "https://api.telegram.org", "messages_per_second": 5}),
        (EMAIL, "email", {"smtp_url": "smtp://127.0.0.1:2525", "from": "shop@example.com"}),
        (
            EMAIL
            | {
                "from": "萬華鞋店 <shop@example.com>",
                "reply_to": "ada@example.com",
                "return_path": "bounces@example.com",
                "webhook_secret": "HOOK-secret",
                "mails_per_second": 2.5,
                "dkim": DKIM,
            },
            "email",
            {
                "smtp_url": "smtp://127.0.0.1:2525",
                "from": "萬華鞋店 <shop@example.com>",
                "reply_to": "ada@example.com",
                "return_path": "bounces@example.com",
                "mails_per_second": 2.5,
                "dkim": {"domain": "example.com", "selector": "s1"},
            },
        ),
    ],
)  # fmt: skip
def test_a_form_has_what_is_shown_and_hides_the_rest(
    body: dict[str, Any], identity_kind: str, shown: dict[str, Any]
) -> None:
    form = KINDS.read(body)
    assert (form.kind, form.identity_kind, form.settings) == (body["kind"], identity_kind, shown)
    assert "secret" not in str(form.settings)
    assert "PRIVATE" not in str(form.settings)
    stored = ChannelForm(
        form.kind,
        form.identity_kind,
        msgspec.json.decode(msgspec.json.encode(form.settings)),
        msgspec.json.decode(msgspec.json.encode(form.secrets)),
    )
    channel: Channel = KINDS.open(stored)
    assert channel.kind == form.kind
    assert channel.is_keyed == (form.kind == "line")
    assert channel.key_seconds_max == (24 * 3600 if form.kind == "line" else 0)
    assert "secret" not in repr(channel)


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "kind"),
        ({}, "kind"),
        ({"kind": "sms"}, "kind"),
        ({"kind": ["line"]}, "kind"),
        (without(LINE, "access_token"), "access_token"),
        (without(LINE, "secret"), "secret"),
        (LINE | {"access_token": ""}, "access_token"),
        (LINE | {"access_token": "a\r\nX-Evil: 1"}, "access_token"),
        (LINE | {"access_token": 5}, "access_token"),
        (LINE | {"base_url": "ftp://a"}, "base_url"),
        (LINE | {"base_url": "http://"}, "base_url"),
        (LINE | {"base_url": "http://user:PASS-secret@a"}, "base_url"),
        (LINE | {"base_url": "http://a?b"}, "base_url"),
        (LINE | {"base_url": "http://a:b"}, "base_url"),
        (LINE | {"base_url": "http://[a"}, "base_url"),
        (LINE | {"base_url": "http://a b"}, "base_url"),
        (LINE | {"provider": "a/b"}, "provider"),
        (LINE | {"acces_token": "x"}, "acces_token"),
        (without(TELEGRAM, "token"), "token"),
        (TELEGRAM | {"token": "1:a/b"}, "token"),
        (TELEGRAM | {"secret_token": "ä"}, "secret_token"),
        (TELEGRAM | {"messages_per_second": 0}, "messages_per_second"),
        (TELEGRAM | {"messages_per_second": True}, "messages_per_second"),
        (without(EMAIL, "smtp_url"), "smtp_url"),
        (without(EMAIL, "from"), "from"),
        (EMAIL | {"smtp_url": "http://a"}, "smtp_url"),
        (EMAIL | {"smtp_url": "smtp://"}, "smtp_url"),
        (EMAIL | {"smtp_url": "smtp://PASS-secret@a"}, "smtp_url"),
        (EMAIL | {"smtp_url": "smtp://u:PASS/secret@a"}, "smtp_url"),
        (EMAIL | {"smtp_url": "smtp://a/b?c"}, "smtp_url"),
        (EMAIL | {"from": "shop"}, "from"),
        (EMAIL | {"from": "a@b.cd\r\nBcc: eve@example.org"}, "from"),
        (EMAIL | {"from": "a@b.cd, b@b.cd"}, "from"),
        (EMAIL | {"return_path": "Name <a@b.cd>"}, "return_path"),
        (EMAIL | {"webhook_secret": "a b"}, "webhook_secret"),
        (EMAIL | {"dkim": "x"}, "dkim"),
        (EMAIL | {"dkim": without(DKIM, "selector")}, "dkim.selector"),
        (EMAIL | {"dkim": without(DKIM, "private_key")}, "dkim.private_key"),
        (EMAIL | {"dkim": DKIM | {"private_key": "PASS-secret"}}, "dkim.private_key"),
        (EMAIL | {"dkim": DKIM | {"private_key": pem(ec.generate_private_key(ec.SECP256R1()))}}, "dkim.private_key"),
        (EMAIL | {"dkim": DKIM | {"domain": "a b"}}, "dkim.domain"),
        (EMAIL | {"dkim": DKIM | {"key": "x"}}, "dkim.key"),
        (EMAIL | {"username": "x"}, "username"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_no_secret_quoted(body: Any, path: str) -> None:
    with pytest.raises(ChannelInvalid) as refused:
        KINDS.read(body)
    assert refused.value.path == "/" + path.replace(".", "/")
    assert path in refused.value.message or path == "kind"
    assert "secret" not in refused.value.message.replace(path, "").replace("the channel secret", "")


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(ChannelInvalid) as refused:
        KINDS.read(LINE | {"acces_token": "x"})
    assert refused.value.suggestion == "access_token"


def test_a_bot_without_a_secret_token_is_given_always_the_same() -> None:
    one, other = (KINDS.read({"kind": "telegram", "token": token}).secrets["secret_token"] for token in ("1:a", "1:b"))
    assert one != other
    assert one == KINDS.read({"kind": "telegram", "token": "1:a"}).secrets["secret_token"]
    assert len(one) == 64


def test_reading_settings_imports_no_client() -> None:
    """Starting a process must not wait for clients of vendors that it may never ask."""
    heavy = "('aiohttp', 'aiosmtplib', 'linebot', 'aiogram', 'dkim')"
    code = f"import sys, regulars.channels.registry; print([one for one in {heavy} if one in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"

"""The kinds of channels there are: how the settings of each are checked, split into shown and secret, and opened.

line       base_url?, access_token, secret, provider?
telegram   base_url?, token, secret_token?, messages_per_second?
email      smtp_url, from, reply_to?, return_path?, dkim? {domain, selector, private_key}, webhook_secret?,
           mails_per_second?
"""

import difflib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from regulars.channels.email.settings import MailSettings, Server, Signing, is_address, split_address
from regulars.channels.telegram.limits import MESSAGES_PER_SECOND
from regulars.kernel.clock import Clock
from regulars.messaging.errors import ChannelInvalid
from regulars.messaging.ports import Channel, ChannelForm

LINE_URL: Final = "https://api.line.me"
TELEGRAM_URL: Final = "https://api.telegram.org"
MAIN_PROVIDER: Final = "main"
PER_SECOND_MAX: Final = 10_000
_RSA_BITS_MIN: Final = 1_024
_TEXT_MAX: Final = 2_000
_SECRET: Final = re.compile(r"[\x21-\x7e]{1,2000}")
_PROVIDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BOT_TOKEN: Final = re.compile(r"[A-Za-z0-9:_-]{1,200}")
_SECRET_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_DNS_NAME: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*"
)


class Kinds:
    """All kinds. `clock` is for what an adapter dates: mails, and presses that Telegram does not date."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def read(self, body: object) -> ChannelForm:
        """The settings of `PUT /api/channels/{name}`, checked; nobody is asked. Raises: ChannelInvalid with the path."""
        if not isinstance(body, Mapping):
            raise ChannelInvalid("a channel is an object with a kind", path="/kind")
        fields = cast("Mapping[str, Any]", body)
        kind = fields.get("kind")
        if not isinstance(kind, str) or kind not in _READERS:
            said = "a channel has a kind" if kind is None else f"there is no kind of channel {str(kind)[:40]!r}"
            raise ChannelInvalid(said, path="/kind", suggestion=", ".join(_READERS))
        return _READERS[kind](_Fields(fields))

    def open(self, form: ChannelForm) -> Channel:
        """An adapter; it connects when it is used. Raises: ChannelInvalid for settings that `read` would refuse."""
        if form.kind not in _OPENERS:
            raise ChannelInvalid(f"there is no kind of channel {form.kind!r}", path="/kind")
        return _OPENERS[form.kind](form.settings, form.secrets, self._clock)


class _Fields:
    """The fields of a body, each taken once; what is left over is unknown."""

    def __init__(self, fields: Mapping[str, Any], prefix: str = "") -> None:
        self._left = {name: value for name, value in fields.items() if value is not None}
        self._known = ["kind"] if not prefix else []
        self._left.pop("kind", None)
        self._prefix = prefix

    def take(self, name: str) -> Any:
        """The value, or None where there is none."""
        self._known.append(name)
        return self._left.pop(name, None)

    def take_text(self, name: str, pattern: re.Pattern[str] | None = None, told: str = "a text") -> str | None:
        """A text that is not blank and fits. What does not fit is not quoted: it may be a secret."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or len(value) > _TEXT_MAX:
            raise self.refuse(name, f"must be {told}")
        if pattern is not None and not pattern.fullmatch(value):
            raise self.refuse(name, f"must be {told}")
        return value

    def need_text(self, name: str, pattern: re.Pattern[str] | None = None, told: str = "a text") -> str:
        """The same, where one is needed."""
        value = self.take_text(name, pattern, told)
        if value is None:
            raise self.refuse(name, "is missing")
        return value

    def take_rate(self, name: str) -> float | None:
        """A number a second."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= PER_SECOND_MAX:
            raise self.refuse(name, f"must be a number above 0, at most {PER_SECOND_MAX}")
        return float(value)

    def end(self) -> None:
        """Nothing may be left over."""
        for name in self._left:
            near = difflib.get_close_matches(name, self._known, n=1)
            raise ChannelInvalid(
                f"{self._prefix}{name[:60]} is not known here",
                path=self._place(name[:60]),
                suggestion=near[0] if near else ", ".join(self._known),
            )

    def refuse(self, name: str, said: str) -> ChannelInvalid:
        """An error that names the field."""
        return ChannelInvalid(f"{self._prefix}{name} {said}", path=self._place(name))

    def _place(self, name: str) -> str:
        return "/" + f"{self._prefix}{name}".replace(".", "/")


def _read_line(fields: _Fields) -> ChannelForm:
    base_url = _take_base_url(fields, LINE_URL)
    access_token = fields.need_text("access_token", _SECRET, "the channel access token, without spaces")
    secret = fields.need_text("secret", _SECRET, "the channel secret, without spaces")
    provider = fields.take_text("provider", _PROVIDER, "letters, digits, . _ -, at most 64") or MAIN_PROVIDER
    fields.end()
    return ChannelForm(
        "line",
        "line" if provider == MAIN_PROVIDER else f"line@{provider}",
        {"base_url": base_url, "provider": provider},
        {"access_token": access_token, "secret": secret},
    )


def _read_telegram(fields: _Fields) -> ChannelForm:
    base_url = _take_base_url(fields, TELEGRAM_URL)
    token = fields.need_text("token", _BOT_TOKEN, "a bot's token, as 123456:ABC-DEF")
    given = fields.take_text("secret_token", _SECRET_TOKEN, "1 to 256 of A-Z a-z 0-9 _ -, as Telegram takes it")
    rate = fields.take_rate("messages_per_second")
    fields.end()
    settings: dict[str, Any] = {"base_url": base_url, **({"messages_per_second": rate} if rate else {})}
    derived = hmac.digest(token.encode(), b"regulars webhook", "sha256").hex()
    secrets = {"token": token, "secret_token": given or derived}
    return ChannelForm("telegram", "telegram", settings, secrets)


def _read_email(fields: _Fields) -> ChannelForm:
    url = fields.need_text("smtp_url")
    try:
        server = Server.parse(url)
    except ValueError as error:
        raise fields.refuse("smtp_url", f"cannot be used: {error}") from None
    settings: dict[str, Any] = {"smtp_url": server.show(), "from": _need_sender(fields)}
    secrets = {"smtp_url": url}
    if (reply_to := fields.take_text("reply_to")) is not None:
        settings["reply_to"] = _check_sender(fields, "reply_to", reply_to)
    if (return_path := fields.take_text("return_path")) is not None:
        if not is_address(return_path):
            raise fields.refuse("return_path", "must be a mail address without a name")
        settings["return_path"] = return_path
    if (secret := fields.take_text("webhook_secret", _SECRET, "a text without spaces")) is not None:
        secrets["webhook_secret"] = secret
    if (rate := fields.take_rate("mails_per_second")) is not None:
        settings["mails_per_second"] = rate
    dkim: Any = fields.take("dkim")
    fields.end()
    if dkim is not None:
        if not isinstance(dkim, Mapping):
            raise fields.refuse("dkim", "must be an object of domain, selector and private_key")
        settings["dkim"], secrets["dkim_private_key"] = _read_dkim(_Fields(cast("Mapping[str, Any]", dkim), "dkim."))
    return ChannelForm("email", "email", settings, secrets)


_READERS: Final[Mapping[str, Callable[[_Fields], ChannelForm]]] = {
    "line": _read_line,
    "telegram": _read_telegram,
    "email": _read_email,
}


# Adapters are imported when one is opened: with their clients they take longer to import than all that is read here.


def _open_line(settings: Mapping[str, Any], secrets: Mapping[str, str], _clock: Clock) -> Channel:
    from regulars.channels.line.adapter import LineChannel

    return LineChannel(settings["base_url"], secrets["access_token"], secrets["secret"])


def _open_telegram(settings: Mapping[str, Any], secrets: Mapping[str, str], clock: Clock) -> Channel:
    from regulars.channels.telegram.adapter import TelegramChannel

    rate = float(settings.get("messages_per_second", MESSAGES_PER_SECOND))
    return TelegramChannel(settings["base_url"], secrets["token"], secrets["secret_token"], clock, rate)


def _open_email(settings: Mapping[str, Any], secrets: Mapping[str, str], clock: Clock) -> Channel:
    from regulars.channels.email.adapter import EmailChannel

    dkim: Any = settings.get("dkim")
    key = secrets.get("dkim_private_key")
    mail = MailSettings(
        Server.parse(secrets["smtp_url"]),
        settings["from"],
        settings.get("reply_to"),
        settings.get("return_path"),
        Signing(dkim["domain"], dkim["selector"], _load_key(key)) if dkim and key else None,
        secrets.get("webhook_secret"),
        settings.get("mails_per_second"),
    )
    return EmailChannel(mail, clock)


_OPENERS: Final[Mapping[str, Callable[[Mapping[str, Any], Mapping[str, str], Clock], Channel]]] = {
    "line": _open_line,
    "telegram": _open_telegram,
    "email": _open_email,
}


def _take_base_url(fields: _Fields, default: str) -> str:
    """The owner's word: loopback and plain http are fine, as for a simulator."""
    url = fields.take_text("base_url") or default
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise fields.refuse("base_url", "is no web address") from None
    if parts.scheme not in ("http", "https") or not host or not _SECRET.fullmatch(url):
        raise fields.refuse("base_url", f"must be a web address, as {default}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise fields.refuse("base_url", "has no user, no query and no fragment")
    return url.rstrip("/")


def _need_sender(fields: _Fields) -> str:
    return _check_sender(fields, "from", fields.need_text("from"))


def _check_sender(fields: _Fields, name: str, written: str) -> str:
    try:
        split_address(written)
    except ValueError:
        raise fields.refuse(name, "must be a mail address, as shop@example.com or Shop <shop@example.com>") from None
    return written


def _read_dkim(fields: _Fields) -> tuple[dict[str, str], str]:
    domain = fields.need_text("domain", _DNS_NAME, "a domain, as example.com")
    selector = fields.need_text("selector", _DNS_NAME, "the name before ._domainkey")
    written: Any = fields.take("private_key")
    fields.end()
    if not isinstance(written, str):
        raise fields.refuse("private_key", "is missing" if written is None else "must be PEM")
    try:
        _load_key(written)
    except ValueError as error:
        raise fields.refuse("private_key", str(error)) from None
    return {"domain": domain, "selector": selector}, written


def _load_key(pem: str) -> RSAPrivateKey:
    """Raises: ValueError, which quotes nothing of the key."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("must be an RSA private key as PEM, without a passphrase") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("must be an RSA key: receivers verify nothing else everywhere")
    if key.key_size < _RSA_BITS_MIN:
        raise ValueError(f"has {key.key_size} bits, at least {_RSA_BITS_MIN} are needed")
    return key

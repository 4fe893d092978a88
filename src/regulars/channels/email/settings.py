"""What a mail channel needs to know: which server, who writes, who hears of bounces, and what signs."""

import re
from dataclasses import dataclass
from email.header import Header
from email.utils import formataddr
from typing import Final
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_ADDRESS: Final = re.compile(r"[^\s<>(),;:\"\\@\[\]\x00-\x1f\x7f]{1,64}@[^\s<>(),;:\"\\@\[\]_\x00-\x1f\x7f]{1,253}")
_SENDER: Final = re.compile(r"(?P<bare>[^\s<>]+)|(?P<name>[^<>]*)<(?P<inner>[^<>\s]+)>")
_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
ADDRESS_MAX: Final = 320


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server. `smtp` uses STARTTLS where it is offered, `smtp+starttls` insists, `smtps` is TLS from the start."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @staticmethod
    def parse(url: str) -> "Server":
        """`smtp://user:password@host:port`, parts percent-encoded. Raises: ValueError, which quotes no password."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            raise ValueError(
                "the address cannot be read; special characters of a password are percent-encoded"
            ) from None
        if parts.scheme not in _PORTS:
            raise ValueError(f"the address begins with one of {', '.join(f'{scheme}://' for scheme in _PORTS)}")
        if not host:
            raise ValueError("the address has no host")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("behind host and port there is nothing")
        if (parts.username is None) != (parts.password is None):
            raise ValueError("a user name and a password come together")
        username, password = (unquote(one) if one else None for one in (parts.username, parts.password))
        return Server(parts.scheme, host, port or _PORTS[parts.scheme], username, password)

    def show(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Signing:
    """Whose DKIM signature mails carry: the public key stands at `selector._domainkey.domain`."""

    domain: str
    selector: str
    key: RSAPrivateKey


@dataclass(frozen=True, slots=True)
class MailSettings:
    """`sender` is who writes, perhaps with a name; `return_path` is where bounces go, each mail's with its own tag."""

    server: Server
    sender: str
    reply_to: str | None = None
    return_path: str | None = None
    signing: Signing | None = None
    webhook_secret: str | None = None
    mails_per_second: float | None = None


def split_address(written: str) -> tuple[str, str]:
    """Name and address of `Name <a@b>`. Raises: ValueError."""
    found = _SENDER.fullmatch(written.strip())
    if found is None or not is_address(found["bare"] or found["inner"]) or any(ord(one) < 32 for one in written):
        raise ValueError("this is no mail address")
    return (found["name"] or "").strip().strip('"'), found["bare"] or found["inner"]


def is_address(address: str) -> bool:
    """Whether it could be one, and can do no harm in a header or an envelope."""
    return len(address) <= ADDRESS_MAX and _ADDRESS.fullmatch(address) is not None and ".." not in address


def to_wire(address: str) -> str:
    """The address with its domain as DNS knows it (`例え.jp` is `xn--r8jz45g.jp`)."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


def show_address(name: str, address: str) -> str:
    """Both in one header."""
    return formataddr((name, to_wire(address))) if name.isascii() else f"{encode_words(name)} <{to_wire(address)}>"


def encode_words(text: str) -> str:
    """A header's text in ASCII: as it is, or as encoded words (RFC 2047), folded between them."""
    return text if text.isascii() else Header(text, "utf-8", header_name="Reply-To").encode(linesep="\r\n")

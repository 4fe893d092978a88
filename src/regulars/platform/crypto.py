"""Envelope encryption of personal data, and keyed digests to find it again.

A master key (32 bytes, in HOME or the settings) wraps one data key a brand. From the data key two keys are derived: one
seals values (AES-256-GCM, a random nonce each, bound to what the value is), the other makes the blind index: a keyed
digest by which an exact value is found without storing it. Losing the master key loses the sealed values.

Source: NIST SP 800-38D (GCM), RFC 5869 (HKDF), RFC 2104 (HMAC).
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from regulars.platform.errors import WrongMasterKey

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_DIGEST_BYTES: Final = 16
_FORMAT: Final = b"\x01"


def new_key() -> bytes:
    """A fresh random key."""
    return os.urandom(KEY_BYTES)


def wrap_key(master_key: bytes, data_key: bytes) -> bytes:
    """The data key, sealed under the master key."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(master_key).encrypt(nonce, data_key, b"data key")


def unwrap_key(master_key: bytes, wrapped: bytes) -> bytes:
    """The data key again. Raises: WrongMasterKey."""
    try:
        return AESGCM(master_key).decrypt(wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :], b"data key")
    except InvalidTag as error:
        raise WrongMasterKey(
            "the master key does not open this database's data keys: put back HOME/master.key, or set"
            " REGULARS_MASTER_KEY to the key that this database was created with"
        ) from error


@dataclass(frozen=True, slots=True)
class Vault:
    """What seals, opens and finds the personal data of one brand."""

    _cipher: AESGCM
    _index_key: bytes

    @staticmethod
    def from_data_key(data_key: bytes) -> "Vault":
        return Vault(AESGCM(_derive(data_key, b"seal")), _derive(data_key, b"index"))

    def seal(self, value: str, purpose: str) -> bytes:
        """Encrypt; `purpose` says what the value is and must be the same on opening."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, value.encode(), purpose.encode())

    def unseal(self, sealed: bytes, purpose: str) -> str:
        """Decrypt. Raises: InvalidTag where the row was tampered with or moved."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        return self._cipher.decrypt(nonce, body, purpose.encode()).decode()

    def digest(self, purpose: str, value: str) -> str:
        """Keyed digest, 32 hex digits: equal for equal values of one purpose, meaningless without the key."""
        message = purpose.encode() + b"\0" + value.encode()
        return hmac.new(self._index_key, message, hashlib.sha256).digest()[:_DIGEST_BYTES].hex()


def _derive(data_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"regulars " + purpose).derive(data_key)

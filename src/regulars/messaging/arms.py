"""Who is held out: a member's arm is a number that never changes, so it needs no table and survives everything.

`draw` is uniform on [0, 1): a member is held out where it is below the share. The salt is the brand's; the global arm has no
campaign. Raising a share adds members to the held-out ones and takes none out.

The gate draws one member at a time, a plan a million for each campaign: so it is a few operations on words, which NumPy does
for all members at once. It keeps no secret: nobody chooses the number they are known by.

Source: the mixing function of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014, with
Stafford's variant 13), twice; its two keys are the first 16 bytes of BLAKE2b (RFC 7693), keyed by the salt, of the campaign's
name behind a `/`, or of nothing.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_WORD: Final = 2**64 - 1
_KEYS_REMEMBERED_MAX: Final = 1_000
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB
# As many digits as a float has: no rounding, and so never 1.
_DIGITS: Final = 53


def draw(salt: bytes, member_id: int, campaign: str | None = None) -> float:
    """The member's number in [0, 1): of the whole brand, or of one campaign."""
    first, second = _keys(salt, campaign)
    return (_mix(_mix((member_id + first) & _WORD) ^ second) >> (64 - _DIGITS)) * 2.0**-_DIGITS


def draw_many(salt: bytes, member_ids: NDArray[np.integer[Any]], campaign: str | None = None) -> NDArray[np.float64]:
    """`draw` of many members at once."""
    first, second = _keys(salt, campaign)
    words = _mix_many(member_ids.astype(np.uint64) + np.uint64(first))
    words = _mix_many(words ^ np.uint64(second))
    return (words >> np.uint64(64 - _DIGITS)).astype(np.float64) * 2.0**-_DIGITS


def choose_arms(numbers: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.int64]:
    """Which of several arms with these shares each number in [0, 1) falls into; the last takes what rounding leaves."""
    return np.searchsorted(np.cumsum(shares[:-1]), numbers, side="right")


@lru_cache(maxsize=_KEYS_REMEMBERED_MAX)
def _keys(salt: bytes, campaign: str | None) -> tuple[int, int]:
    text = b"" if campaign is None else b"/" + campaign.encode()
    digest = hashlib.blake2b(text, digest_size=16, key=salt).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def _mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


def _mix_many(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_SECOND)
    return words ^ (words >> np.uint64(31))

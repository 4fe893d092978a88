"""Which language of a message a member is told it in.

What they chose themselves (preferences), else what is known of them (a trait `language` or `locale`); exactly, else by
the same writing of the same language (`zh-HK` reads `zh-TW`, not `zh-CN`), else by the language; where none of theirs is
there, by the languages of the brand's country in the same way; else the message's first.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from babel.languages import get_official_languages

_TRAITS: Final = ("language", "locale")
_SCRIPTS: Final = {"tw": "hant", "hk": "hant", "mo": "hant", "cn": "hans", "sg": "hans", "my": "hans"}


def list_wishes(preferred: str | None, traits: Mapping[str, object]) -> list[str]:
    """The member's languages, the one they would rather have first."""
    said = [preferred, *(traits.get(name) for name in _TRAITS)]
    return [one for one in said if isinstance(one, str) and one.strip()]


@lru_cache
def list_languages(country: str) -> tuple[str, ...]:
    """What is read in a country, most of all first: `zh-TW` in TW. Source: CLDR's official languages, as babel has them."""
    found = get_official_languages(country, de_facto=True)
    return tuple(dict.fromkeys(f"{language.partition('_')[0]}-{country}" for language in found))


def choose_language(available: Sequence[str], wishes: Sequence[str]) -> str:
    """One of `available`, which must not be empty; its first where nothing fits."""
    if len(available) == 1:
        return available[0]
    known = {_normalise(one): one for one in reversed(available)}
    for wish in wishes:
        wanted = _normalise(wish)
        if wanted in known:
            return known[wanted]
        near = sorted((-_nearness(wanted, _normalise(one)), place, one) for place, one in enumerate(available))
        if near[0][0] < 0:
            return near[0][2]
    return available[0]


def _nearness(wanted: str, offered: str) -> int:
    if wanted.partition("-")[0] != offered.partition("-")[0]:
        return 0
    return 2 if _script(wanted) == _script(offered) else 1


def _script(language: str) -> str | None:
    """`hant` of `zh-hant-tw` and of `zh-tw`."""
    parts = language.split("-")[1:]
    written = next((part for part in parts if len(part) == 4), None)
    return written or next((_SCRIPTS[part] for part in parts if part in _SCRIPTS), None)


def _normalise(language: str) -> str:
    """`zh_TW.UTF-8` and `zh-tw` are one."""
    return language.strip().partition(".")[0].replace("_", "-").lower()

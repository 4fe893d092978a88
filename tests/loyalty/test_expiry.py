"""When points expire, by the brand's calendar and clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from regulars.loyalty.expiry import expires_at, inactive_at, policy_of
from regulars.loyalty.model import After, Asset, EndOf, Expiry, Inactive, Level, Name, Never, Period, Points

TAIPEI, BERLIN = ZoneInfo("Asia/Taipei"), ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = TAIPEI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("policy", "awarded", "expected"),
    [
        (After(Period(30, "d")), "2026-01-31T10:00", "2026-03-02T10:00"),
        (After(Period(1, "month")), "2026-01-31T10:00", "2026-02-28T10:00"),
        (After(Period(1, "year")), "2028-02-29T10:00", "2029-02-28T10:00"),
        (EndOf("month"), "2026-01-31T23:59:59", "2026-02-01"),
        (EndOf("month"), "2026-12-01", "2027-01-01"),
        (EndOf("quarter"), "2026-05-05", "2026-07-01"),
        (EndOf("quarter"), "2026-12-31T23:59:59", "2027-01-01"),
        (EndOf("year"), "2026-01-01", "2027-01-01"),
        (EndOf("next_year"), "2026-12-31T23:59:59", "2028-01-01"),
        (Inactive(Period(180, "d")), "2026-01-01", None),
        (Never(), "2026-01-01", None),
    ],
)
def test_when_an_award_expires(policy: Expiry, awarded: str, expected: str | None) -> None:
    assert expires_at(policy, at(awarded), TAIPEI) == (None if expected is None else at(expected))


def test_days_are_24_hours_and_months_are_the_clocks() -> None:
    """Berlin's clock goes forward on 2026-03-29 from 02:00 to 03:00, back on 2026-10-25."""
    awarded = at("2026-03-01T02:30", BERLIN)
    assert expires_at(After(Period(28, "d")), awarded, BERLIN) == at("2026-03-29T03:30", BERLIN)
    assert expires_at(After(Period(1, "month")), awarded, BERLIN) == at("2026-04-01T02:30", BERLIN)
    assert expires_at(After(Period(1, "month")), at("2026-02-28T02:30", BERLIN), BERLIN) == at(
        "2026-03-28T02:30", BERLIN
    )
    assert expires_at(EndOf("month"), at("2026-10-25T12:00", BERLIN), BERLIN) == at("2026-11-01", BERLIN)


def test_a_level_overrides_the_asset() -> None:
    points = Asset(redeemable=True, expires=Inactive(Period(6, "month")))
    gold, plain = Level(Name("gold"), Points(500), expires=Never()), Level(Name("plain"), Points(1))
    assert (policy_of(points, gold), policy_of(points, plain), policy_of(points, None)) == (
        Never(),
        points.expires,
        points.expires,
    )


def test_inactivity_switched_on_expires_nothing_at_once() -> None:
    """Who bought last three years ago has six months from the day it is switched on, and from the day gold is lost."""
    policy = Inactive(Period(6, "month"))
    assert inactive_at(policy, at("2023-01-01"), at("2026-01-15"), TAIPEI) == at("2026-07-15")
    assert inactive_at(policy, at("2026-03-01"), at("2026-01-15"), TAIPEI) == at("2026-09-01")
    assert inactive_at(Never(), at("2023-01-01"), at("2026-01-15"), TAIPEI) is None
    assert inactive_at(After(Period(1, "d")), at("2023-01-01"), at("2026-01-15"), TAIPEI) is None

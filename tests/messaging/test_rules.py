"""The gate's rules, each by itself: caps, quiet hours, arms, prices, and the order of the steps."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from regulars.kernel.ids import MemberId
from regulars.messaging.arms import choose_arms, draw, draw_many
from regulars.messaging.caps import Counted, RollingCap, count_with, find_exceeded
from regulars.messaging.errors import PricePlanInvalid
from regulars.messaging.gate import Facts, Rules, Step, judge
from regulars.messaging.model import Address, DeliveryId, Due, Reason, State
from regulars.messaging.prices import book_to_json, parse_price_book
from regulars.messaging.quiet import QuietHours

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
DAY = timedelta(days=1)
TAIPEI = ZoneInfo("Asia/Taipei")

instants = st.integers(0, 60 * 24).map(lambda hours: NOW + timedelta(hours=hours))


def counted(*ats: datetime, topic: str | None = None) -> list[Counted]:
    return [Counted(at, topic, number, f"k{number}") for number, at in enumerate(ats)]


def most_in_any_window(ats: list[datetime], per: timedelta) -> int:
    """The plain definition: of all windows (end − per, end], the fullest."""
    return max(sum(1 for at in ats if end - per < at <= end) for end in ats)


@given(st.lists(instants, max_size=12), instants, st.integers(1, 40))
def test_a_cap_counts_the_fullest_window_around_the_new_one(ats: list[datetime], at: datetime, days: int) -> None:
    cap = RollingCap(2, days * DAY)
    near = [one for one in ats if at - cap.per < one < at + cap.per]
    expected = max(
        sum(1 for one in [*near, at] if end - cap.per < one <= end) for end in [at, *near] if end - cap.per < at <= end
    )
    assert count_with(counted(*ats), cap, at) == expected


@given(st.lists(instants, max_size=40), st.integers(1, 4), st.integers(1, 20))
def test_whatever_the_cap_lets_pass_no_window_holds_more(ats: list[datetime], most: int, days: int) -> None:
    cap, let = RollingCap(most, days * DAY), list[datetime]()
    for at in ats:
        if find_exceeded(counted(*let), [cap], None, at) is None:
            let.append(at)
    assert not let or most_in_any_window(let, cap.per) <= most


def test_exactly_per_ago_is_outside() -> None:
    cap = RollingCap(1, 7 * DAY)
    assert find_exceeded(counted(NOW - 7 * DAY), [cap], None, NOW) is None
    assert find_exceeded(counted(NOW - 7 * DAY + timedelta(microseconds=1)), [cap], None, NOW) == (cap, 2)


def test_a_topics_cap_counts_that_topic_only() -> None:
    cap = RollingCap(1, 7 * DAY, "promo")
    assert find_exceeded(counted(NOW, topic="news"), [cap], "promo", NOW) is None
    assert find_exceeded(counted(NOW, topic="promo"), [cap], "news", NOW) is None
    assert find_exceeded(counted(NOW, topic="promo"), [cap], "promo", NOW) is not None


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_an_arm_never_changes_and_campaigns_draw_apart(member: int, other: int) -> None:
    assert 0 <= draw(b"salt", member) < 1 and draw(b"salt", member) == draw(b"salt", member)
    if member != other:
        assert draw(b"salt", member) != draw(b"salt", other)
    assert (
        len({draw(b"salt", member), draw(b"salt", member, "a"), draw(b"salt", member, "b"), draw(b"other", member)})
        == 4
    )


def test_arms_are_uniform() -> None:
    below = sum(draw(b"salt", member, "heels") < 0.1 for member in range(20_000))
    assert abs(below - 2_000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5


def test_many_are_drawn_as_each_by_itself() -> None:
    members = np.array([1, 2, 3, 10**6, 2**40, 2**63 - 1])
    for campaign in (None, "heels", "鞋"):
        assert draw_many(b"salt", members, campaign).tolist() == [draw(b"salt", int(one), campaign) for one in members]


def test_arms_of_two_campaigns_know_nothing_of_each_other() -> None:
    """Members in a row, ten by ten cells: what chance allows, and the same of each number and the next member's."""
    members = np.arange(1, 100_001)
    one, two = draw_many(b"salt", members, "a"), draw_many(b"salt", members, "b")
    for first, second in ((one, two), (one[:-1], one[1:]), (one, draw_many(b"salt", members))):
        cells = np.histogram2d(first, second, bins=10, range=((0, 1), (0, 1)))[0]
        assert stats.chisquare(cells.ravel()).pvalue > 1e-4


def test_variants_take_their_shares() -> None:
    assert choose_arms(np.array([0.0, 0.49, 0.5, 0.74, 0.75, 0.99]), [0.5, 0.25, 0.25]).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("2026-11-22T21:59:59+08:00", "2026-11-22T21:59:59+08:00"),
        ("2026-11-22T22:00:00+08:00", "2026-11-23T08:00:00+08:00"),
        ("2026-11-23T07:59:59+08:00", "2026-11-23T08:00:00+08:00"),
        ("2026-11-23T08:00:00+08:00", "2026-11-23T08:00:00+08:00"),
    ],
)
def test_quiet_hours_span_midnight(at: str, allowed: str) -> None:
    quiet = QuietHours(time(22), time(8), TAIPEI)
    assert quiet.first_allowed(datetime.fromisoformat(at)) == datetime.fromisoformat(allowed)


@given(st.integers(0, 24 * 60 * 3), st.sampled_from(["Europe/Berlin", "America/Havana", "Australia/Lord_Howe"]))
def test_no_clock_change_makes_a_noise(minutes: int, zone: str) -> None:
    """Around both changes of each zone: what is allowed is not quiet, and nothing between is either."""
    for day in ("2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"):
        quiet = QuietHours(time(23, 30), time(2, 30), ZoneInfo(zone))
        at = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(minutes=minutes)
        allowed = quiet.first_allowed(at)
        assert allowed is not None and allowed >= at and not quiet.hold(allowed)
        between = range(0, int((allowed - at).total_seconds() // 60), 7)
        assert all(quiet.hold(at + timedelta(minutes=step)) for step in between)


def test_the_whole_day_quiet_never_ends() -> None:
    assert QuietHours(time(8), time(8), TAIPEI).first_allowed(NOW) is None


BOOK = {
    "current": "high",
    "plans": [
        {"code": "mid", "valid_from": "2026-11-01", "valid_to": None, "fee": "1000", "included": 3000, "extra": None},
        {
            "code": "high",
            "valid_from": "2026-11-01",
            "valid_to": None,
            "fee": "1400",
            "included": 6000,
            "extra": [{"up_to": 50_000, "price": "0.20"}, {"up_to": None, "price": "0.15"}],
        },
        {
            "code": "high",
            "valid_from": "2023-09-01",
            "valid_to": "2026-10-31",
            "fee": "1200",
            "included": 6000,
            "extra": None,
        },
    ],
}


def test_prices_step_where_the_plan_says() -> None:
    """6,000 are included, the next 50,000 cost 0.20 each, all others 0.15."""
    plan = parse_price_book(BOOK).on(date(2026, 11, 1))
    assert [plan.price_of(one) for one in (0, 5_999, 6_000, 55_999, 56_000)] == [
        Decimal(0), Decimal(0), Decimal("0.20"), Decimal("0.20"), Decimal("0.15"),
    ]  # fmt: skip
    assert plan.cost_of(6_000) == 0 and plan.cost_of(6_001) == Decimal("0.20")
    assert plan.cost_of(56_010) == 50_000 * Decimal("0.20") + 10 * Decimal("0.15")
    assert plan.cost_of(700) == sum((plan.price_of(one) or 0 for one in range(700)), Decimal(0))


def test_the_plan_of_a_day_is_the_one_sold_then() -> None:
    book = parse_price_book(BOOK)
    assert book.on(date(2026, 10, 31)).fee == 1200 and book.on(date(2026, 11, 1)).fee == 1400
    assert [plan.code for plan in book.list_sold(date(2026, 12, 1))] == ["mid", "high"]
    assert book.on(date(2020, 1, 1)).fee == 1200, "before all of them: the first"
    mid = next(plan for plan in book.plans if plan.code == "mid")
    assert mid.price_of(3_000) is None and mid.messages_max == 3_000
    assert parse_price_book(book_to_json(book)) == book


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"current": "low"}, "/current"),
        ({"plans": [{**BOOK["plans"][0], "fee": "-1"}]}, "/plans/0/fee"),
        ({"plans": [{**BOOK["plans"][0], "included": -1}]}, "/plans/0/included"),
        ({"plans": [{**BOOK["plans"][1], "extra": [{"up_to": None, "price": "1"}, {"up_to": 5, "price": "1"}]}]}, "/plans/0/extra/0/up_to"),
        ({"plans": [{**BOOK["plans"][0], "valid_to": "2026-10-01"}]}, "/plans/0/valid_to"),
        ({"plans": "none"}, "/plans"),
    ],
)  # fmt: skip
def test_a_wrong_price_plan_is_named(change: dict[str, object], path: str) -> None:
    with pytest.raises(PricePlanInvalid) as caught:
        parse_price_book({**BOOK, **change})
    assert caught.value.path == path


# --- the order of the steps -------------------------------------------------------------------------------------------

DUE = Due(DeliveryId(1), MemberId(1), "oa", "marketing", "promo", 1, "k1", False, NOW, holdout=0.5)
FINE = Facts(consent=True, address=Address("U1", "U1"))
RULES = Rules(caps=[RollingCap(1, 7 * DAY)], quiet=None, holdout=0.1)


def test_the_gate_lets_pass() -> None:
    assert judge(DUE, FINE, RULES, NOW).state is State.RESERVED


@pytest.mark.parametrize(
    ("facts", "reason", "step"),
    [
        (Facts(is_erased=True), Reason.ERASED, "member"),
        (Facts(consent=True, address=None, missing="member.traits.first_name"), Reason.MISSING_VALUE, "content"),
        (Facts(), Reason.NO_CONSENT, "consent"),
        (Facts(consent=False, address=Address("U1", "U1")), Reason.NO_CONSENT, "consent"),
        (Facts(consent=True, topics={"promo": False}), Reason.NO_CONSENT, "preferences"),
        (Facts(consent=True, preferred_channel="tg"), Reason.NO_CONSENT, "preferences"),
        (Facts(consent=True), Reason.UNREACHABLE, "reachability"),
        (Facts(consent=True, address=FINE.address, counted=counted(NOW)), Reason.CAP, "caps"),
        (
            Facts(consent=True, address=FINE.address, counted=[Counted(NOW - 9 * DAY, None, 7, "k1")]),
            Reason.DUPLICATE,
            "dedupe",
        ),
        (
            Facts(consent=True, address=FINE.address, own_caps=[RollingCap(0, DAY, is_own=True)]),
            Reason.CAP,
            "caps",
        ),
    ],
)
def test_each_step_refuses_with_its_reason(facts: Facts, reason: Reason, step: str) -> None:
    verdict = judge(DUE, facts, RULES, NOW)
    assert (verdict.state, verdict.reason, verdict.step and verdict.step.step) == (State.REFUSED, reason, step)


def test_held_out_only_who_would_have_been_sent_to() -> None:
    held = Facts(consent=True, address=FINE.address, draw=0.05)
    assert (judge(DUE, held, RULES, NOW).state, judge(DUE, held, RULES, NOW).arm) == (State.WITHHELD, "global")
    own = Facts(consent=True, address=FINE.address, campaign_draw=0.4)
    assert judge(DUE, own, RULES, NOW).arm == "campaign"
    full = Facts(consent=True, address=FINE.address, draw=0.05, counted=counted(NOW))
    assert judge(DUE, full, RULES, NOW).reason is Reason.CAP


@pytest.mark.parametrize("purpose", ["marketing", "service"])
@pytest.mark.parametrize("facts", [FINE, Facts(), Facts(consent=True, address=FINE.address, draw=0.0)])
def test_at_the_end_of_its_time_it_is_refused_before_any_lot(purpose: str, facts: Facts) -> None:
    due = replace(DUE, purpose=purpose, until_at=NOW)
    verdict = judge(due, facts, RULES, NOW)
    assert (verdict.state, verdict.reason, verdict.arm) == (State.REFUSED, Reason.EXPIRED, None)
    assert verdict.step == Step("window", False, {"until": NOW.isoformat()})
    just_in_time = judge(due, facts, RULES, NOW - timedelta(microseconds=1))
    assert just_in_time == judge(replace(due, until_at=None), facts, RULES, NOW - timedelta(microseconds=1))


def test_a_duty_needs_no_consent_and_obeys_a_refused_one() -> None:
    duty = Due(DeliveryId(1), MemberId(1), "oa", "service", None, 1, "k1", False, NOW)
    busy = Facts(address=FINE.address, counted=counted(NOW), draw=0.0)
    assert judge(duty, busy, RULES, NOW).state is State.RESERVED
    assert judge(duty, Facts(consent=False, address=FINE.address), RULES, NOW).reason is Reason.NO_CONSENT


def test_quiet_hours_put_off_what_may_wait_and_refuse_the_rest() -> None:
    rules = Rules(caps=[], quiet=QuietHours(time(13), time(15), TAIPEI), holdout=0)  # NOW is 14:00 in Taipei
    assert judge(DUE, FINE, rules, NOW).reason is Reason.QUIET_HOURS
    waiting = Due(DeliveryId(1), MemberId(1), "oa", "marketing", None, 1, "k1", True, NOW)
    later = judge(waiting, FINE, rules, NOW)
    assert (later.state, later.later_at) == (State.PLANNED, NOW + timedelta(hours=1))
    late = Due(DeliveryId(1), MemberId(1), "oa", "marketing", None, 1, "k1", True, NOW, NOW + timedelta(minutes=30))
    assert judge(late, FINE, rules, NOW).reason is Reason.QUIET_HOURS

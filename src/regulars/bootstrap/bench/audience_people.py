"""A million members and their origins in PostgreSQL for `bench audience`, and the pointer to a lake."""

from typing import Final

import psycopg

from regulars.bootstrap.bench.audience_lake import BRAND_ID, END, MEMBERS, ORIGINS
from regulars.history import lake
from regulars.history.model import HistoryPlace

_MEMBERS_SQL: Final = """
insert into members_members (brand_id, member_id, member_no, state, merged_into, traits, created_at)
select %(brand)s, n, n - 1, case when n <= %(members)s then 'active' else 'merged' end,
    case when n > %(members)s then 1 + (n * 7919::bigint) %% %(members)s end,
    jsonb_build_object(
        'tier', (array['basic', 'silver', 'gold', 'basic', 'basic'])[1 + n %% 5],
        'age', 18 + (n * 31::bigint) %% 60,
        'city', 'city ' || n %% 200),
    %(end)s
from generate_series(1, %(origins)s) as g (n)
"""
_ORIGINS_SQL: Final = """
insert into members_origins (brand_id, origin_id, member_id, own_member_id)
select %(brand)s, n, case when n <= %(members)s then n else 1 + (n * 7919::bigint) %% %(members)s end, n
from generate_series(1, %(origins)s) as g (n)
"""
_TRAITS_SQL: Final = """
insert into members_trait_types (brand_id, trait, type, declared, personal, first_seen_at)
select %(brand)s, trait, type, true, false, %(end)s
from (values ('tier', 'text'), ('age', 'number'), ('city', 'text')) as t (trait, type)
"""
_POINTER_SQL: Final = """
insert into history_pointers (brand_id, moved_to, moving_to, events_version, lines_version, published_at)
values (%(brand)s, %(moved_to)s, %(moved_to)s, %(events)s, %(lines)s, %(end)s)
on conflict (brand_id) do update set moved_to = excluded.moved_to, moving_to = excluded.moving_to,
    events_version = excluded.events_version, lines_version = excluded.lines_version
"""


def put_people(dsn: str) -> None:
    """Members in force, those merged into them, and all their origins."""
    params = {"brand": BRAND_ID, "members": MEMBERS, "origins": ORIGINS, "end": END}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in (_MEMBERS_SQL, _ORIGINS_SQL, _TRAITS_SQL):
            connection.execute(statement.encode(), params)
        connection.execute("vacuum (freeze, analyze)")  # so that nothing writes while others are timed
        connection.execute("checkpoint")


def point_to(dsn: str, place: HistoryPlace, events: int) -> None:
    """From now on the brand's events are those of this lake."""
    versions = {table: lake.open_table(place.folder, table).version() for table in lake.TABLES}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_POINTER_SQL.encode(), {"brand": BRAND_ID, "moved_to": events, "end": END, **versions})

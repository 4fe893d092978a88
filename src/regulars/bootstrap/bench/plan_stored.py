"""What a plan takes besides solving: its members read from PostgreSQL, and the draft written there.

A million members with ten traits that say what each campaign is worth to them, ids and consents on three channels. Read is
from the question to the arrays that the planner gets; drafted is all of `POST /api/plans` but the writing, so read, solved,
compared with simpler ways and explained; written is the draft stored, assignments and what was not chosen.
"""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from regulars.access import service as access
from regulars.audiences.service.answering import AudienceEngine
from regulars.audiences.service.saving import save_audience
from regulars.bootstrap.bench.memory import forget_memory_peak, memory_peak_mib
from regulars.bootstrap.bench.plan_problems import CAMPAIGNS, CAP, PRICES, REACHED
from regulars.bootstrap.bench.served import temporary_home
from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, open_deployment
from regulars.bootstrap.history import build_history_place
from regulars.campaigns.service import saving
from regulars.campaigns.service.planning import PlanBody, draft_plan, gather_plan, store_plan
from regulars.channels.registry import Kinds
from regulars.history.service.reading import HistoryReader
from regulars.messaging.service import channels
from regulars.messaging.service.channels import OpenChannels
from regulars.messaging.service.outbox import Outbox
from regulars.platform.db import Database, WriteTransaction
from regulars.platform.settings import Settings, read_settings
from regulars.platform.tenancy import Brand

QUOTAS: Final = (0.25, 0.15, 0.3)
SIZE: Final = 0.08
DAYS: Final = timedelta(days=7)
FORMS: Final[dict[str, dict[str, Any]]] = {
    "line": {"kind": "line", "access_token": "token", "secret": "secret"},
    "telegram": {"kind": "telegram", "token": "1:token"},
    "email": {"kind": "email", "smtp_url": "smtp://127.0.0.1:25", "from": "news@example.com"},
}


@dataclass(frozen=True, slots=True)
class StoredTimes:
    """Seconds, and the memory of the process that plans."""

    read_seconds: float
    draft_seconds: float
    write_seconds: float
    stored_messages: int
    stored_memory_peak_mib: int

    def show(self) -> dict[str, Any]:
        """As figures of the bench."""
        return {name: round(one, 2) if isinstance(one, float) else one for name, one in asdict(self).items()}


def measure_stored(members: int) -> StoredTimes:
    """One plan of so many members, in a home of its own."""
    with temporary_home() as home:
        settings = read_settings(home=home)
        with open_deployment(settings) as deployment:
            return asyncio.run(_measure(deployment, settings, members))


async def _measure(deployment: Deployment, settings: Settings, members: int) -> StoredTimes:
    database = Database(deployment.dsn, connections_max=2)
    await database.open()
    reader = HistoryReader(build_history_place(settings))
    outbox = Outbox(database, OpenChannels(Kinds(deployment.clock)), deployment.master_key, "http://127.0.0.1")
    now = deployment.clock()
    try:
        async with database.write() as tx:
            brand = await access.get_brand(tx, FIRST_BRAND, master_key=deployment.master_key)
            await _put_channels(tx, brand, outbox, members, now)
        await asyncio.to_thread(_put_people, deployment.dsn, int(brand.brand_id), members)
        async with database.write() as tx:
            names = await _put_campaigns(tx, brand, outbox, members, now)
        engine = AudienceEngine(reader, deployment.clock)
        today = now.astimezone(brand.time_zone).date()
        asked = PlanBody(campaigns=names, from_=today, until=today + DAYS, seed=1)
        forget_memory_peak()
        began = time.perf_counter()
        async with database.read() as tx:
            await gather_plan(tx, brand, engine, asked, as_of=None, now=now)
        read = time.perf_counter()
        async with database.read() as tx:
            draft = await draft_plan(tx, brand, engine, asked, as_of=None, now=now)
        drafted = time.perf_counter()
        async with database.write() as tx:
            await store_plan(tx, brand, draft, now=now)
        written = time.perf_counter()
        messages = len(draft.assignments["member_id"])
        return StoredTimes(read - began, drafted - read, written - drafted, messages, memory_peak_mib())
    finally:
        await outbox.channels.close()
        reader.close()
        await database.close()


async def _put_channels(tx: WriteTransaction, brand: Brand, outbox: Outbox, members: int, now: datetime) -> None:
    caps = [{"most": CAP, "per": "30d"}]
    await access.replace_settings(tx, brand, {"caps": caps, "quiet_hours": None, "holdout": 0.0})
    for (kind, form), quota, price in zip(FORMS.items(), QUOTAS, PRICES, strict=True):
        await channels.put_channel(tx, brand, kind, form, outbox.channels.kinds, now=now)
        step = {"up_to": int(quota * members), "price": price}
        plan = {"code": "all", "valid_from": "2026-01-01", "fee": "0", "included": 0, "extra": [step]}
        await channels.put_price_book(tx, brand, kind, {"current": "all", "plans": [plan]}, now=now)


async def _put_campaigns(tx: WriteTransaction, brand: Brand, outbox: Outbox, members: int, now: datetime) -> list[str]:
    today = now.astimezone(brand.time_zone).date()
    names = [f"campaign {number}" for number in range(CAMPAIGNS)]
    for number, name in enumerate(names):
        # Every second campaign is for half of the members.
        where = {"trait": {"half": True}} if number % 2 else {"trait": {f"worth {number}": {"more_than": 0}}}
        await save_audience(tx, brand, name, where, now=now)
        written = {
            "audience": name,
            "channels": list(FORMS),
            "window": {"from": today.isoformat(), "until": (today + DAYS).isoformat()},
            "message": {"zh-TW": {"subject": "新品", "text": "新品上架了"}},
            "value": {"by": "trait", "trait": f"worth {number}", "channel_factor": {"email": 0.5}},
            "size": {"max": int(SIZE * members)},
        }
        await saving.save_campaign(tx, brand, name, written, outbox, now=now)
    return names


_MEMBERS_SQL: Final = """
insert into members_members (brand_id, member_id, member_no, state, traits, created_at)
select %(brand)s, n, n - 1, 'active', jsonb_build_object('half', n %% 2 = 0, {worths}), now()
from generate_series(1, %(members)s) as g (n)
"""
_WORTH: Final = "'worth {0}', round((-ln(1 - random()))::numeric, 4)"
_ORIGINS_SQL: Final = """
insert into members_origins (brand_id, origin_id, member_id, own_member_id)
select %(brand)s, n, n, n from generate_series(1, %(members)s) as g (n)
"""
_IDENTITIES_SQL: Final = """
insert into members_identities (brand_id, kind, lookup, origin_id, verified, created_at)
select %(brand)s, %(kind)s, %(kind)s || n, n, true, now() from generate_series(1, %(members)s) as g (n)
where random() < %(reached)s
"""
_CONSENTS_SQL: Final = """
insert into members_consents (brand_id, member_id, consent_no, channel, purpose, granted, at, holder_member_id)
select i.brand_id, i.origin_id, %(no)s, %(kind)s, 'marketing', true, now(), i.origin_id
from members_identities i where i.brand_id = %(brand)s and i.kind = %(kind)s
"""
_TRAITS_SQL: Final = """
insert into members_trait_types (brand_id, trait, type, declared, personal, first_seen_at)
select %(brand)s, 'worth ' || n, 'number', true, false, now() from generate_series(0, %(campaigns)s - 1) as g (n)
union all select %(brand)s, 'half', 'boolean', true, false, now()
"""


def _put_people(dsn: str, brand_id: int, members: int) -> None:
    """In whole statements: their arrival is not what is measured."""
    params = {"brand": brand_id, "members": members, "campaigns": CAMPAIGNS}
    worths = ", ".join(_WORTH.format(number) for number in range(CAMPAIGNS))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select setseed(0.5)")
        for statement in (_MEMBERS_SQL.format(worths=worths), _ORIGINS_SQL, _TRAITS_SQL):
            connection.execute(statement.encode(), params)
        for number, (kind, reached) in enumerate(zip(FORMS, REACHED, strict=True), 1):
            told = {**params, "kind": kind, "reached": reached, "no": number}
            connection.execute(_IDENTITIES_SQL.encode(), told)
            connection.execute(_CONSENTS_SQL.encode(), told)
        connection.execute("vacuum (freeze, analyze)")
        connection.execute("checkpoint")

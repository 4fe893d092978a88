-- What members have, for whom conditions ask. Nothing here knows the time: what begins and ends says when.

create view facts.programmes as
select distinct on (p.brand_id, p.name) p.brand_id, p.name as programme, p.version, p.written
from loyalty_programmes p
order by p.brand_id, p.name, p.version desc;

-- kind: assets, tiers, badges, missions, pools.
create view facts.programme_names as
select p.brand_id, p.programme, 'assets' as kind, a.name
from facts.programmes p
cross join lateral jsonb_object_keys(coalesce(p.written -> 'assets', '{}'::jsonb)) as a (name)
union all
select p.brand_id, p.programme, s.kind, n.one ->> 'name'
from facts.programmes p
cross join lateral (
    values ('tiers', p.written #> '{tiers,levels}'), ('badges', p.written -> 'badges'),
        ('missions', p.written -> 'missions'), ('pools', p.written -> 'vouchers')
) as s (kind, listed)
cross join lateral jsonb_array_elements(s.listed) as n (one);

-- A row for each level that a member is at or above; is_held: it is the member's. Who has no row yet is at the lowest.
create view facts.loyalty_tiers as
select m.brand_id, m.member_id, p.programme, l.one ->> 'name' as tier, l.place - 1 = coalesce(h.level, 0) as is_held
from facts.programmes p
cross join lateral jsonb_array_elements(p.written #> '{tiers,levels}') with ordinality as l (one, place)
join facts.members m on m.brand_id = p.brand_id
left join loyalty_members h on h.brand_id = m.brand_id and h.programme = p.programme and h.member_id = m.member_id
where l.place - 1 <= coalesce(h.level, 0);

create view facts.loyalty_badges as
select h.brand_id, h.member_id, h.programme, b.badge
from loyalty_members h cross join lateral unnest(h.badges) as b (badge);

create view facts.loyalty_missions as
select h.brand_id, h.member_id, h.programme, r.mission, 'done' as state
from loyalty_members h cross join lateral unnest(h.missions) as r (mission);

-- A row for each state that a voucher is in, or will be in if nobody does anything, from begins_at until before ends_at. It
-- is the member's in force, of whoever was merged into it too.
create view facts.loyalty_vouchers as
select v.brand_id, w.in_force_id as member_id, p.programme, p.pool, v.voucher_id, s.state, s.begins_at, s.ends_at
from loyalty_vouchers v
join loyalty_pools p on p.brand_id = v.brand_id and p.pool_id = v.pool_id
join facts.people w on w.brand_id = v.brand_id and w.member_id = v.member_id
cross join lateral (
    select v.state, '-infinity'::timestamptz as begins_at, coalesce(
        case v.state when 'issued' then v.valid_until when 'reserved' then v.reserved_until end, 'infinity'
    ) as ends_at
    union all
    select 'issued', v.reserved_until, coalesce(v.valid_until, 'infinity')
    where v.state = 'reserved' and not v.by_use and v.reserved_until is not null
) as s;

-- Members' points that are not spent or held, a row for each lot. `owed` is the whole account's: what lots together must
-- exceed before any can be spent.
create view facts.lots as
select a.brand_id, substring(a.name from '^member:m([0-9]+)/')::bigint as member_id, s.code as asset,
    l.remaining_minor - l.held_minor as free, a.debt_minor + a.floor_minor as owed, l.usable_at, l.expires_at
from ledger_accounts a
join ledger_assets s on s.asset_id = a.asset_id
join ledger_lots l on l.account_id = a.account_id and l.is_open
where a.keeps = 'lots' and a.name ~ '^member:m[0-9]+/';

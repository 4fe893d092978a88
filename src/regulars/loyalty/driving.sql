-- What drives programmes, and what came of it. One query, one function of the same name in store/driving.py.

-- name: insert_marks
insert into loyalty_marks (brand_id, origin_id, seq, occurred_at, name, properties, member)
select %(brand_id)s, m.origin_id, m.seq, m.occurred_at, m.name, m.properties, m.member
from unnest(
    %(origin_ids)b::bigint[], %(seqs)b::bigint[], %(occurred_at)b::timestamptz[], %(names)b::text[],
    %(properties)b::text[], %(members)b::jsonb[]
) m (origin_id, seq, occurred_at, name, properties, member)
on conflict do nothing;

-- name: list_marks
-- Of members in force, in the order they came. Origins that are gone are of members who were erased.
select o.member_id, m.seq, m.name, m.occurred_at, m.properties, m.member
from loyalty_marks m join facts.origins o on o.brand_id = m.brand_id and o.origin_id = m.origin_id
where m.brand_id = %(brand_id)s and o.member_id = any(%(member_ids)b::bigint[])
order by o.member_id, m.seq;

-- name: list_member_ids
select o.origin_id, o.member_id, m.created_at
from facts.origins o join facts.members m on m.brand_id = o.brand_id and m.member_id = o.member_id
where o.brand_id = %(brand_id)s and o.origin_id = any(%(origin_ids)b::bigint[]);

-- name: find_origin
select min(o.origin_id) from facts.origins o where o.brand_id = %(brand_id)s and o.member_id = %(member_id)s;

-- name: list_people
select m.member_no, m.member_id, m.created_at from facts.members m where m.brand_id = %(brand_id)s;

-- name: list_joined
select m.member_id, m.created_at from facts.members m
where m.brand_id = %(brand_id)s and m.member_id = any(%(member_ids)b::bigint[]);

-- name: list_awards
select a.member_id, a.key, a.asset, a.amount, a.expires_at, a.revision, a.transfers, a.amounts
from loyalty_awards a
where a.brand_id = %(brand_id)s and a.programme = %(programme)s and a.member_id = any(%(member_ids)b::bigint[]);

-- name: put_awards
insert into loyalty_awards (brand_id, programme, member_id, key, asset, amount, expires_at, revision, transfers, amounts)
select %(brand_id)s, %(programme)s, n.member_id, n.key, n.asset, n.amount, n.expires_at, n.revision,
    n.transfers::uuid[], n.amounts::bigint[]
from unnest(
    %(member_ids)b::bigint[], %(keys)b::text[], %(assets)b::text[], %(amounts)b::bigint[], %(expires_at)b::timestamptz[],
    %(revisions)b::int[], %(transfers)b::text[], %(parts)b::text[]
) n (member_id, key, asset, amount, expires_at, revision, transfers, amounts)
on conflict (brand_id, programme, member_id, key, asset) do update set
    amount = excluded.amount, expires_at = excluded.expires_at, revision = excluded.revision,
    transfers = excluded.transfers, amounts = excluded.amounts;

-- name: list_deeds
select d.member_id, d.key from loyalty_deeds d
where d.brand_id = %(brand_id)s and d.programme = %(programme)s and d.member_id = any(%(member_ids)b::bigint[]);

-- name: insert_deeds
insert into loyalty_deeds (brand_id, programme, member_id, key)
select %(brand_id)s, %(programme)s, d.member_id, d.key
from unnest(%(member_ids)b::bigint[], %(keys)b::text[]) d (member_id, key)
on conflict do nothing;

-- name: put_members
insert into loyalty_members (brand_id, programme, member_id, level, level_name, badges, missions, due_at)
select %(brand_id)s, %(programme)s, n.member_id, n.level, n.level_name, n.badges::text[], n.missions::text[], n.due_at
from unnest(
    %(member_ids)b::bigint[], %(levels)b::int[], %(level_names)b::text[], %(badges)b::text[], %(missions)b::text[],
    %(due_at)b::timestamptz[]
) n (member_id, level, level_name, badges, missions, due_at)
on conflict (brand_id, programme, member_id) do update set
    level = excluded.level, level_name = excluded.level_name, badges = excluded.badges, missions = excluded.missions,
    due_at = excluded.due_at
where (loyalty_members.level, loyalty_members.level_name, loyalty_members.badges, loyalty_members.missions,
    loyalty_members.due_at) is distinct from
    (excluded.level, excluded.level_name, excluded.badges, excluded.missions, excluded.due_at);

-- name: list_due
-- Members for whom something is due, of all brands.
select m.brand_id, m.programme, m.member_id from loyalty_members m
where m.due_at <= %(now)s order by m.due_at limit %(limit)s;

-- name: mark_due
update loyalty_members set due_at = %(now)s where brand_id = %(brand_id)s and programme = %(programme)s;

-- name: count_due
select m.programme, count(*) from loyalty_members m
where m.brand_id = %(brand_id)s and m.due_at <= %(now)s group by m.programme;

-- name: mark_gone_due
update loyalty_members m set due_at = %(now)s
from facts.people p
where p.brand_id = m.brand_id and p.member_id = m.member_id and p.state <> 'active'
    and (m.due_at is null or m.due_at > %(now)s);

-- name: delete_members
delete from loyalty_members m where m.brand_id = %(brand_id)s and m.member_id = any(%(member_ids)b::bigint[]);

-- name: delete_orphans
delete from loyalty_marks m
where not exists (select from facts.origins o where o.brand_id = m.brand_id and o.origin_id = m.origin_id);

-- name: list_member_facts
-- What conditions may ask of members, as it is now.
select m.member_id, m.traits,
    coalesce((
        select jsonb_object_agg(t.tag, jsonb_build_array(t.weight, t.expires_at)) from facts.tags t
        where t.brand_id = m.brand_id and t.member_id = m.member_id
    ), '{}'),
    coalesce((
        select jsonb_agg(jsonb_build_array(c.channel, c.purpose, c.granted)) from facts.consents c
        where c.brand_id = m.brand_id and c.member_id = m.member_id
    ), '[]'),
    coalesce((
        select jsonb_agg(distinct i.kind) from facts.identities i
        where i.brand_id = m.brand_id and i.member_id = m.member_id
    ), '[]'),
    coalesce((
        select jsonb_object_agg(p.trait, p.lookup) from facts.personal_traits p
        where p.brand_id = m.brand_id and p.member_id = m.member_id
    ), '{}')
from facts.members m where m.brand_id = %(brand_id)s and m.member_id = any(%(member_ids)b::bigint[]);

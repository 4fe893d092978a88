-- Named queries of audiences. One query, one function of the same name in store.py.

-- name: lock_audience
-- Versions of one audience follow each other.
insert into audiences_audiences (brand_id, name, version, updated_at)
values (%(brand_id)s, %(name)s, 0, %(now)s)
on conflict (brand_id, name) do update set updated_at = audiences_audiences.updated_at
returning version;

-- name: insert_version
insert into audiences_versions (brand_id, name, version, written, created_at)
values (%(brand_id)s, %(name)s, %(version)s, %(written)s, %(now)s);

-- name: set_version
update audiences_audiences set version = %(version)s, updated_at = %(now)s
where brand_id = %(brand_id)s and name = %(name)s;

-- name: find_version
-- The newest where no version is asked for.
select v.version, v.written, v.created_at
from audiences_audiences a
join audiences_versions v on v.brand_id = a.brand_id and v.name = a.name
    and v.version = coalesce(%(version)s::int, a.version)
where a.brand_id = %(brand_id)s and a.name = %(name)s;

-- name: list_newest
select a.name, a.version, v.written, a.updated_at
from audiences_audiences a
join audiences_versions v on v.brand_id = a.brand_id and v.name = a.name and v.version = a.version
where a.brand_id = %(brand_id)s and a.name > %(after)s
order by a.name
limit %(limit)s;

-- name: delete_audience
delete from audiences_audiences where brand_id = %(brand_id)s and name = %(name)s;

-- name: delete_versions
delete from audiences_versions where brand_id = %(brand_id)s and name = %(name)s;

-- name: list_everybody
-- One array: a million numbers come as fast as they can be copied.
select coalesce(array_agg(member_no), '{}') from facts.members where brand_id = %(brand_id)s;

-- name: list_ids
select member_no, member_id from facts.members
where brand_id = %(brand_id)s and member_no = any(%(numbers)s);

-- name: list_with_user_ids
-- Of each member one user id, or none. A subquery, so that each is looked up by itself whatever the statistics say.
select m.member_no, m.member_id, (
    select min(i.user_id) from facts.user_ids i where i.brand_id = m.brand_id and i.member_id = m.member_id
)
from facts.members m
where m.brand_id = %(brand_id)s and m.member_no = any(%(numbers)s)
order by m.member_no;

-- name: find_number
select member_no from facts.members where brand_id = %(brand_id)s and member_id = %(member_id)s;

-- name: get_data_mark
-- The same text only where nothing has been written since.
select pg_current_snapshot()::text;

-- name: list_traits
select trait, type, personal from facts.trait_types where brand_id = %(brand_id)s;

-- name: list_tags
select distinct tag from facts.tags where brand_id = %(brand_id)s;

-- name: list_programme_names
-- What programmes in force name: kind, name.
select distinct kind, name from facts.programme_names where brand_id = %(brand_id)s;

-- name: list_event_names
select name from facts.event_names where brand_id = %(brand_id)s;

-- name: list_properties
-- Of moved events, by the name they came under; null: too many to be known.
select name, properties from facts.event_properties
where brand_id = %(brand_id)s and name = any(%(names)s);

-- name: list_fresh_among
-- Those of the asked properties that events which have not moved yet have: each is looked for until it is found.
select a.name, a.property
from unnest(%(names)b::text[], %(properties)b::text[]) as a (name, property)
where exists (
    select from facts.tail t
    where t.brand_id = %(brand_id)s and t.name = a.name and (t.properties::json -> a.property) is not null
        and t.seq > coalesce((select m.moved_to from facts.moves m where m.brand_id = %(brand_id)s), 0)
);

-- name: list_fresh_properties
-- All of events that have not moved yet.
select distinct t.name, k.property
from facts.tail t
left join lateral json_object_keys(t.properties::json) k (property) on true
where t.brand_id = %(brand_id)s and t.name = any(%(names)s)
    and t.seq > coalesce((select m.moved_to from facts.moves m where m.brand_id = %(brand_id)s), 0)
limit %(limit)s;

-- name: list_attributes_among
select a.attribute from unnest(%(attributes)b::text[]) as a (attribute)
where exists (select from facts.items i where i.brand_id = %(brand_id)s and i.attributes ? a.attribute);

-- name: list_item_attributes
select distinct a.attribute
from facts.items i cross join lateral jsonb_object_keys(i.attributes) a (attribute)
where i.brand_id = %(brand_id)s;

-- name: has_items
select exists (select from facts.items where brand_id = %(brand_id)s);

-- name: find_trait
select traits -> %(trait)s from facts.members where brand_id = %(brand_id)s and member_no = %(member_no)s;

-- name: find_tag
select t.weight, t.expires_at
from facts.members m
join facts.tags t on t.brand_id = m.brand_id and t.member_id = m.member_id and t.tag = %(tag)s
where m.brand_id = %(brand_id)s and m.member_no = %(member_no)s;

-- name: list_arrivals
-- How often events of these names came, and when first and last.
select name, event_count, first_at, last_at from facts.event_names
where brand_id = %(brand_id)s and name = any(%(names)s);

-- name: list_trait_arrivals
-- In how many minutes values of these traits came, and when first and last.
select trait, arrival_count, first_at, last_at from facts.trait_arrivals
where brand_id = %(brand_id)s and trait = any(%(traits)s);

-- name: lock_computed
-- One refresh of a brand at a time: of two, the one that saw less would have the last word.
select pg_advisory_xact_lock(1668246896, %(brand_id)s);

-- name: find_computed
select data_version, head_seq, as_of, whole_at, whole_seq, shares from audiences_computed where brand_id = %(brand_id)s;

-- name: put_computed
-- Of two refreshes at once the later one's word stays.
insert into audiences_computed as c (brand_id, data_version, head_seq, as_of, whole_at, whole_seq, shares)
values (%(brand_id)s, %(data_version)s, %(head_seq)s, %(as_of)s, %(whole_at)s, %(whole_seq)s, %(shares)s::jsonb)
on conflict (brand_id) do update
set data_version = excluded.data_version, head_seq = excluded.head_seq, as_of = excluded.as_of,
    whole_at = excluded.whole_at, whole_seq = excluded.whole_seq, shares = excluded.shares
where c.as_of <= excluded.as_of;

-- name: list_numbers_of
select member_no from facts.members
where brand_id = %(brand_id)s and member_id = any(%(member_ids)s::bigint[]);

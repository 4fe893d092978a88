-- Named queries of history. One query, one function of the same name in store.py.

-- name: get_state
-- Everything that decides what a brand's snapshot shows, read at once.
select coalesce(p.moved_to, 0), coalesce(p.moving_to, 0), p.events_version, p.lines_version,
    coalesce((select max(t.seq) from facts.tail t where t.brand_id = b.brand_id), 0),
    coalesce((select e.epoch from history_epochs e where e.brand_id = b.brand_id and e.what = 'origins'), 0),
    coalesce((select max(o.origin_id) from facts.origins o where o.brand_id = b.brand_id), 0),
    coalesce((select e.epoch from history_epochs e where e.brand_id = b.brand_id and e.what = 'items'), 0)
from (select %(brand_id)s::int as brand_id) b
left join history_pointers p on p.brand_id = b.brand_id;

-- name: list_parts
select name from history_parts where brand_id = %(brand_id)s order by name;

-- name: list_tail_chunks
-- Columns, not rows: two thousand events in each answer, fixed columns as they are sent. Of a few columns, for readers.
select t.*
from generate_series(%(after_seq)s + 1, %(to_seq)s, %(chunk_rows)s::bigint) as g (first_seq)
cross join lateral (
    select string_agg(int8send(e.seq), ''::bytea), string_agg(int8send(e.origin_id), ''::bytea),
        string_agg(timestamptz_send(e.occurred_at), ''::bytea), string_agg(int4send(e.line_count), ''::bytea),
        array_agg(e.name), array_agg(e.properties)
    from facts.tail e
    where e.brand_id = %(brand_id)s and e.seq >= g.first_seq
        and e.seq < g.first_seq + %(chunk_rows)s::bigint and e.seq <= %(to_seq)s
) t;

-- name: list_tail_chunks_whole
-- As list_tail_chunks, and what only the lake keeps beside.
select t.*
from generate_series(%(after_seq)s + 1, %(to_seq)s, %(chunk_rows)s::bigint) as g (first_seq)
cross join lateral (
    select string_agg(int8send(e.seq), ''::bytea), string_agg(int8send(e.origin_id), ''::bytea),
        string_agg(timestamptz_send(e.occurred_at), ''::bytea), string_agg(int4send(e.line_count), ''::bytea),
        array_agg(e.name), array_agg(e.properties),
        string_agg(uuid_send(e.event_id), ''::bytea), string_agg(int4send(e.source_id), ''::bytea),
        string_agg(timestamptz_send(e.received_at), ''::bytea),
        string_agg(timestamptz_send(coalesce(e.original_at, '-infinity')), ''::bytea),
        string_agg(timestamptz_send(coalesce(e.sent_at, '-infinity')), ''::bytea),
        array_agg(e.message_id), array_agg(e.type)
    from facts.tail e
    where e.brand_id = %(brand_id)s and e.seq >= g.first_seq
        and e.seq < g.first_seq + %(chunk_rows)s::bigint and e.seq <= %(to_seq)s
) t;

-- name: list_origin_chunks
-- The origin map of members in force, behind an origin.
select string_agg(int8send(o.origin_id), ''::bytea), string_agg(int4send(m.member_no), ''::bytea)
from facts.origins o
join facts.members m on m.brand_id = o.brand_id and m.member_id = o.member_id
where o.brand_id = %(brand_id)s and o.origin_id > %(after_origin_id)s
group by o.origin_id / %(chunk_rows)s::bigint;

-- name: list_items
select item_id, name, category, price::text, attributes::text from facts.items where brand_id = %(brand_id)s;

-- name: list_member_origins
select origin_id from facts.origins where brand_id = %(brand_id)s and member_id = %(member_id)s;

-- name: list_tail_of_origins
-- Newest first; the origins are few, and each is read from its own place in the index.
select t.event_id, t.message_id, t.name, t.occurred_at, t.received_at, t.properties, t.seq
from unnest(%(origin_ids)b::bigint[]) as o (origin_id)
cross join lateral (
    select * from facts.tail e
    where e.brand_id = %(brand_id)s and e.origin_id = o.origin_id and e.seq > %(after_seq)s
        and (e.occurred_at, e.seq) < (%(before_at)s, %(before_seq)s)
    order by e.occurred_at desc, e.seq desc
    limit %(limit)s
) t
order by t.occurred_at desc, t.seq desc
limit %(limit)s;

-- name: try_lock
select pg_try_advisory_lock(%(number)s);

-- name: list_unmoved
-- Brands with rows that no move has taken yet, and which those are.
select h.brand_id, coalesce(p.moving_to, 0), h.head_seq
from facts.tail_heads h
left join history_pointers p on p.brand_id = h.brand_id
where h.head_seq > coalesce(p.moving_to, 0)
order by h.brand_id;

-- name: find_range
-- How far a move can go: rows behind after_seq, at most so many of them and so many bytes, but at least one.
select max(seq), sum(bytes)::bigint, min(received_at), count(*)
from (
    select seq, bytes, received_at, sum(bytes) over (order by seq) - bytes as bytes_before
    from (
        select seq, received_at, octet_length(properties) + 150 as bytes
        from facts.tail
        where brand_id = %(brand_id)s and seq > %(after_seq)s
        order by seq
        limit %(rows_max)s
    ) first_rows
) sized
where bytes_before < %(bytes_max)s;

-- name: take_move_id
select nextval('history_move_id_seq');

-- name: take_removal_id
select nextval('history_removal_id_seq');

-- name: insert_move
insert into history_moves (brand_id, move_id, after_seq, to_seq, planned_at)
values (%(brand_id)s, %(move_id)s, %(after_seq)s, %(to_seq)s, %(now)s);

-- name: set_moving
insert into history_pointers (brand_id, moving_to) values (%(brand_id)s, %(moving_to)s)
on conflict (brand_id) do update set moving_to = excluded.moving_to;

-- name: list_open_move
-- The oldest move that is not published.
select brand_id, after_seq, to_seq, move_id from history_moves
where published_at is null and move_id = (select min(move_id) from history_moves where published_at is null)
order by brand_id;

-- name: get_last_move_id
select coalesce(max(move_id), 0) from history_moves;

-- name: insert_repeats
insert into history_repeats (brand_id, seq, name, line_count, move_id)
select brand_id, seq, name, line_count, %(move_id)s
from unnest(%(brand_ids)b::int[], %(seqs)b::bigint[], %(names)b::text[], %(line_counts)b::int[])
    as found (brand_id, seq, name, line_count)
on conflict do nothing;

-- name: list_repeats
select brand_id, seq, name, line_count from history_repeats where move_id = %(move_id)s;

-- name: publish_range
update history_pointers
set moved_to = %(to_seq)s, events_version = %(events_version)s, lines_version = %(lines_version)s,
    first_received_at = least(first_received_at, %(first_received_at)s), published_at = %(now)s
where brand_id = %(brand_id)s and moved_to = %(after_seq)s;

-- name: publish_versions
-- Another state of the same rows.
update history_pointers
set events_version = %(events_version)s, lines_version = %(lines_version)s, published_at = %(now)s
where brand_id = any(%(brand_ids)b::int[]) and events_version is not null;

-- name: close_move
update history_moves set published_at = %(now)s where brand_id = %(brand_id)s and move_id = %(move_id)s
    and published_at is null;

-- name: get_first_received
select first_received_at from history_pointers where brand_id = %(brand_id)s;

-- name: list_droppable
-- What a follower has not seen stays.
select m.brand_id, m.move_id, m.after_seq, m.to_seq from history_moves m
where m.dropped_at is null and m.published_at <= %(published_before)s
    and not exists (select from facts.followers f where f.brand_id = m.brand_id and f.after_seq < m.to_seq)
order by m.brand_id, m.move_id
limit %(limit)s;

-- name: close_drop
update history_moves set dropped_at = %(now)s where brand_id = %(brand_id)s and move_id = %(move_id)s;

-- name: replace_parts
with gone as (
    delete from history_parts where brand_id = %(brand_id)s and name <> all(%(names)b::text[])
)
insert into history_parts (brand_id, name) select %(brand_id)s, name from unnest(%(names)b::text[]) as fresh (name)
on conflict do nothing;

-- name: add_properties
-- A name without a property is known too.
insert into history_properties as p (brand_id, name, properties)
select %(brand_id)s, name,
    case when count(property) <= %(properties_max)s then array_remove(array_agg(property order by property), null) end
from unnest(%(names)b::text[], %(properties)b::text[]) as fresh (name, property)
group by name
on conflict (brand_id, name) do update set properties = case when excluded.properties is not null then (
    select case when count(*) <= %(properties_max)s then coalesce(array_agg(u.property order by u.property), '{}') end
    from (select unnest(p.properties) union select unnest(excluded.properties)) as u (property)
) end
where p.properties is not null and not coalesce(p.properties @> excluded.properties, false);

-- name: list_promotions
select property, slot from history_promotions where brand_id = %(brand_id)s order by slot;

-- name: delete_promotions
delete from history_promotions where brand_id = %(brand_id)s and property = any(%(properties)b::text[]);

-- name: insert_promotions
insert into history_promotions (brand_id, slot, property)
select %(brand_id)s, slot, property from unnest(%(slots)b::int[], %(properties)b::text[]) as fresh (slot, property);

-- name: list_promoted_files
select path, properties from history_promoted_files where brand_id = %(brand_id)s;

-- name: insert_promoted_files
insert into history_promoted_files (brand_id, path, properties)
select %(brand_id)s, path, %(properties)b::text[] from unnest(%(paths)b::text[]) as fresh (path)
on conflict do nothing;

-- name: delete_promoted_files
-- Those of a brand but the ones that are still there.
delete from history_promoted_files where brand_id = %(brand_id)s and path <> all(%(paths)b::text[]);

-- name: list_name_counts
select name, event_count, line_count from facts.name_counts where brand_id = %(brand_id)s;

-- name: list_pointers
select brand_id, moved_to, moving_to, events_version, lines_version, published_at from history_pointers order by brand_id;

-- name: insert_erasures
insert into history_erasures (brand_id, origin_id, asked_at)
select %(brand_id)s, origin_id, %(now)s from unnest(%(origin_ids)b::bigint[]) as gone (origin_id)
on conflict do nothing;

-- name: list_erasures
-- Origins whose events may still be on the disk, those of an open removal first.
select brand_id, origin_id from history_erasures
where brand_id = %(brand_id)s and vacuumed_at is null
order by origin_id;

-- name: list_erasing_brands
select distinct brand_id from history_erasures where vacuumed_at is null order by brand_id;

-- name: insert_removals
insert into history_removals (brand_id, removal_id, seq, name, line_count)
select %(brand_id)s, %(removal_id)s, seq, name, line_count
from unnest(%(seqs)b::bigint[], %(names)b::text[], %(line_counts)b::int[]) as gone (seq, name, line_count);

-- name: find_open_removal
select brand_id, removal_id from history_removals order by removal_id limit 1;

-- name: list_removals
select seq, name, line_count from history_removals
where brand_id = %(brand_id)s and removal_id = %(removal_id)s
order by seq;

-- name: delete_removals
delete from history_removals where brand_id = %(brand_id)s and removal_id = %(removal_id)s;

-- name: close_erasures
-- Those asked for before the removal began are out of the tables.
update history_erasures set removed_at = %(now)s
where brand_id = %(brand_id)s and origin_id = any(%(origin_ids)b::bigint[]);

-- name: close_vacuum
update history_erasures set vacuumed_at = %(now)s
where vacuumed_at is null and removed_at <= %(removed_before)s;

-- name: count_open
-- Rows moved but still in the tail are not counted.
select (select count(*) from history_moves where published_at is null),
    (select count(*) from history_erasures where removed_at is null),
    (select count(*) from history_erasures where vacuumed_at is null);

-- name: list_tail_counts
select name, count(*), sum(line_count) from facts.tail
where brand_id = %(brand_id)s and seq > %(after_seq)s
group by name;

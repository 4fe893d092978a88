-- Named queries of events. One query, one function of the same name in store.py.

-- name: ensure_head
insert into events_heads (brand_id) values (%(brand_id)s) on conflict do nothing;

-- name: take_seqs
-- The lock that orders seq; the brand's lock is held already.
update events_heads set next_seq = next_seq + %(count)s where brand_id = %(brand_id)s
returning next_seq - %(count)s, personal_properties;

-- name: find_seen
select event_id::text from events_seen
where brand_id = %(brand_id)s and event_id = any(%(event_ids)s::uuid[]) and received_at > %(since)s;

-- name: find_seen_beside
-- The month itself needs no search: its index refuses what came before.
select event_id::text from events_seen
where brand_id = %(brand_id)s and event_id = any(%(event_ids)s::uuid[]) and received_at > %(since)s
    and (received_at < %(first)s or received_at >= %(until)s);

-- name: has_seen_beside
select exists (select from events_seen where received_at < %(first)s or received_at >= %(until)s);

-- name: has_seen_since
-- Whether anything came since: the months before it may be forgotten only if time has really passed.
select exists (select from events_seen where received_at >= %(since)s);

-- name: find_imported
select event_id::text from events_imported
where brand_id = %(brand_id)s and event_id = any(%(event_ids)s::uuid[]);

-- name: upsert_names
insert into events_names (brand_id, name, event_count, line_count, first_at, last_at)
select %(brand_id)s, name, event_count, line_count, first_at, last_at
from unnest(%(names)b::text[], %(event_counts)b::bigint[], %(line_counts)b::bigint[],
    %(first_ats)s::timestamptz[], %(last_ats)s::timestamptz[])
    as fresh (name, event_count, line_count, first_at, last_at)
on conflict (brand_id, name) do update
set event_count = events_names.event_count + excluded.event_count,
    line_count = events_names.line_count + excluded.line_count,
    first_at = least(events_names.first_at, excluded.first_at),
    last_at = greatest(events_names.last_at, excluded.last_at);

-- name: reduce_names
update events_names n set event_count = n.event_count - gone.event_count, line_count = n.line_count - gone.line_count
from unnest(%(names)b::text[], %(event_counts)b::bigint[], %(line_counts)b::bigint[])
    as gone (name, event_count, line_count)
where n.brand_id = %(brand_id)s and n.name = gone.name;

-- name: list_names
select name, event_count, line_count, first_at, last_at from events_names
where brand_id = %(brand_id)s and name > %(after)s
order by name
limit %(limit)s;

-- name: sum_names
select coalesce(sum(event_count), 0), coalesce(sum(line_count), 0), count(*) from events_names
where brand_id = %(brand_id)s;

-- name: list_member_events
-- Newest first; the member's origins are few, and each is read from its own place in the index.
select t.event_id, t.message_id, t.name, t.occurred_at, t.received_at, t.properties, t.seq
from facts.origins o
cross join lateral (
    select * from events_tail e
    where e.brand_id = o.brand_id and e.origin_id = o.origin_id
        and (e.occurred_at, e.seq) < (%(before_at)s, %(before_seq)s)
    order by e.occurred_at desc, e.seq desc
    limit %(limit)s
) t
where o.brand_id = %(brand_id)s and o.member_id = %(member_id)s
order by t.occurred_at desc, t.seq desc
limit %(limit)s;

-- name: delete_events_of
-- Events of erased members, a part at a time. Those that a move has taken are the history's to remove and to count.
with doomed as (
    select brand_id, seq from events_tail
    where brand_id = %(brand_id)s and origin_id = any(%(origin_ids)b::bigint[])
        and seq > coalesce((select m.moving_to from facts.moves m where m.brand_id = %(brand_id)s), 0)
    limit %(limit)s
), gone as (
    delete from events_tail t using doomed d where t.brand_id = d.brand_id and t.seq = d.seq
    returning t.name, t.line_count
)
select name, count(*), sum(line_count) from gone group by name order by name;

-- name: delete_moved
delete from events_tail t using (
    select brand_id, seq from events_tail
    where brand_id = %(brand_id)s and seq > %(after_seq)s and seq <= %(to_seq)s
    limit %(limit)s
) gone
where t.brand_id = gone.brand_id and t.seq = gone.seq;

-- name: ensure_follower
-- It sees what comes from now on, and what is being taken meanwhile: whoever sees a seq sees all lower ones.
insert into events_followers (brand_id, follower, after_seq)
select %(brand_id)s, %(follower)s,
    coalesce((select h.next_seq - 1 from events_heads h where h.brand_id = %(brand_id)s), 0)
on conflict do nothing;

-- name: lock_follower
-- Another that is at it is left to it.
select f.after_seq from events_followers f
where f.brand_id = %(brand_id)s and f.follower = %(follower)s for update skip locked;

-- name: find_follower
select f.after_seq from events_followers f where f.brand_id = %(brand_id)s and f.follower = %(follower)s;

-- name: list_followed
-- Brands in which a follower has not seen everything: how far it is, and the last event.
select f.brand_id, f.after_seq, h.next_seq - 1
from events_followers f join events_heads h on h.brand_id = f.brand_id
where f.follower = %(follower)s and h.next_seq - 1 > f.after_seq
order by f.brand_id;

-- name: move_follower
update events_followers set after_seq = %(after_seq)s where brand_id = %(brand_id)s and follower = %(follower)s;

-- name: list_tail_events
select t.seq, t.origin_id, t.name, t.occurred_at, t.properties from events_tail t
where t.brand_id = %(brand_id)s and t.seq > %(after_seq)s and t.seq <= %(to_seq)s and t.name = any(%(names)s::text[])
order by t.seq limit %(limit)s;

-- name: count_tail_events
select count(*) from events_tail t
where t.brand_id = %(brand_id)s and t.seq > %(after_seq)s and t.name = any(%(names)s::text[]);

-- name: insert_rejected
insert into events_rejected
    (brand_id, rejected_id, source_id, received_at, message_id, code, digest, message_sealed, body_sealed)
select %(brand_id)s, nextval('events_rejected_id_seq'), %(source_id)s, %(received_at)s,
    message_id, code, digest, message, body
from unnest(%(message_ids)b::text[], %(codes)b::text[], %(digests)b::text[], %(messages)b::bytea[], %(bodies)b::bytea[])
    as fresh (message_id, code, digest, message, body)
on conflict do nothing;

-- name: list_rejected
select rejected_id, received_at, message_id, code, message_sealed, body_sealed from events_rejected
where brand_id = %(brand_id)s and rejected_id < %(before)s
order by rejected_id desc
limit %(limit)s;

-- name: delete_old_rejected
delete from events_rejected where received_at < %(before)s;

-- name: upsert_items
insert into events_items (brand_id, item_id, name, category, price, attributes, updated_at)
select %(brand_id)s, item_id, name, category, price, attributes::jsonb, %(now)s
from unnest(%(item_ids)b::text[], %(names)b::text[], %(categories)b::text[], %(prices)s::numeric[],
    %(attributes)b::text[]) as fresh (item_id, name, category, price, attributes)
on conflict (brand_id, item_id) do update
set name = excluded.name, category = excluded.category, price = excluded.price,
    attributes = excluded.attributes, updated_at = excluded.updated_at
where (events_items.name, events_items.category, events_items.price, events_items.attributes)
    is distinct from (excluded.name, excluded.category, excluded.price, excluded.attributes);

-- name: find_items
select item_id, name, category, price, attributes from events_items
where brand_id = %(brand_id)s and item_id = any(%(item_ids)b::text[]);

-- name: list_items
select item_id, name, category, price, attributes from events_items
where brand_id = %(brand_id)s and item_id > %(after)s
    and (%(category)s::text is null or category = %(category)s)
    and (%(pattern)s::text is null or name ilike %(pattern)s or item_id ilike %(pattern)s)
order by item_id
limit %(limit)s;

-- name: count_items
select count(*) from events_items where brand_id = %(brand_id)s;

-- name: set_personal_properties
update events_heads set personal_properties = %(names)s where brand_id = %(brand_id)s;

-- name: list_personal_properties
select personal_properties from events_heads where brand_id = %(brand_id)s;

-- Named queries of messaging. One query, one function of the same name in store/.

-- name: ensure_salt
insert into messaging_brands (brand_id, salt) values (%(brand_id)s, %(salt)s) on conflict do nothing;

-- name: find_salt
select salt from messaging_brands where brand_id = %(brand_id)s;

-- name: put_channel
insert into messaging_channels (brand_id, name, kind, identity_kind, settings, secrets_sealed, updated_at)
values (%(brand_id)s, %(name)s, %(kind)s, %(identity_kind)s, %(settings)s, %(secrets)s, %(now)s)
on conflict (brand_id, name) do update set
    settings = excluded.settings, secrets_sealed = excluded.secrets_sealed, updated_at = excluded.updated_at,
    version = messaging_channels.version + 1;

-- name: set_channel_state
update messaging_channels set state = %(state)s where brand_id = %(brand_id)s and name = %(name)s;

-- name: list_channels
select name, kind, identity_kind, settings, secrets_sealed, state, version from messaging_channels
where brand_id = %(brand_id)s
order by name;

-- name: list_channels_named
-- Of all brands: whose webhook it is, is decided by whose secret signed it.
select c.brand_id, c.name from messaging_channels c where c.name = %(name)s order by c.brand_id;

-- name: put_price_book
insert into messaging_price_books (brand_id, channel, book, updated_at)
values (%(brand_id)s, %(channel)s, %(book)s, %(now)s)
on conflict (brand_id, channel) do update set book = excluded.book, updated_at = excluded.updated_at;

-- name: list_price_books
select channel, book from messaging_price_books where brand_id = %(brand_id)s;

-- name: lock_people
-- Whoever is being merged or erased is waited for, and nobody is merged or erased until this commits.
select p.member_id, p.state, p.merged_into, p.preferences from facts.people p
where p.brand_id = %(brand_id)s and p.member_id = any(%(member_ids)s)
order by p.member_id
for share;

-- name: list_people
select p.member_id, p.state, p.merged_into, p.preferences from facts.people p
where p.brand_id = %(brand_id)s and p.member_id = any(%(member_ids)s)
order by p.member_id;

-- name: list_families
-- Everybody who was merged into these, over as many merges as it took; themselves too.
with recursive down (root_id, member_id) as (
    select root_id, root_id from unnest(%(member_ids)b::bigint[]) as r (root_id)
    union all
    select d.root_id, p.member_id
    from down d join facts.people p on p.brand_id = %(brand_id)s and p.merged_into = d.member_id
)
select root_id, member_id from down where member_id <> root_id;

-- name: ensure_counts
insert into messaging_people (brand_id, member_id)
select %(brand_id)s, member_id from unnest(%(member_ids)b::bigint[]) as m (member_id) order by member_id
on conflict do nothing;

-- name: lock_counts
select member_id, counted_at, counted_topic, counted_delivery, counted_key from messaging_people
where brand_id = %(brand_id)s and member_id = any(%(member_ids)s)
order by member_id
for update;

-- name: list_counts
select member_id, counted_at, counted_topic, counted_delivery, counted_key from messaging_people
where brand_id = %(brand_id)s and member_id = any(%(member_ids)s);

-- name: add_counts
with new as (
    select member_id, array_agg(at order by delivery_id) as ats, array_agg(topic order by delivery_id) as topics,
        array_agg(delivery_id order by delivery_id) as deliveries, array_agg(key order by delivery_id) as keys
    from unnest(
        %(member_ids)b::bigint[], %(ats)b::timestamptz[], %(topics)b::text[], %(delivery_ids)b::bigint[], %(keys)b::text[]
    ) as u (member_id, at, topic, delivery_id, key)
    group by member_id
)
update messaging_people p set
    counted_at = p.counted_at || n.ats, counted_topic = p.counted_topic || n.topics,
    counted_delivery = p.counted_delivery || n.deliveries, counted_key = p.counted_key || n.keys
from new n
where p.brand_id = %(brand_id)s and p.member_id = n.member_id;

-- name: remove_counts
with gone as (
    select counted_member_id as member_id, array_agg(delivery_id) as deliveries
    from messaging_deliveries
    where brand_id = %(brand_id)s and delivery_id = any(%(delivery_ids)s) and counted_member_id is not null
    group by counted_member_id
)
update messaging_people p set (counted_at, counted_topic, counted_delivery, counted_key) = (
    select coalesce(array_agg(u.at), '{}'), coalesce(array_agg(u.topic), '{}'), coalesce(array_agg(u.delivery_id), '{}'),
        coalesce(array_agg(u.key), '{}')
    from unnest(p.counted_at, p.counted_topic, p.counted_delivery, p.counted_key) as u (at, topic, delivery_id, key)
    where u.delivery_id <> all(g.deliveries)
)
from gone g
where p.brand_id = %(brand_id)s and p.member_id = g.member_id;

-- name: list_consents
select member_id, granted from facts.consents
where brand_id = %(brand_id)s and member_id = any(%(member_ids)s) and channel = %(channel)s and purpose = %(purpose)s;

-- name: list_addresses
-- The newest first.
select member_id, lookup, value_sealed from facts.addresses
where brand_id = %(brand_id)s and member_id = any(%(member_ids)s) and kind = %(kind)s
order by member_id, created_at desc, lookup;

-- name: list_blocked
select lookup, reason, blocked_at from messaging_reach
where brand_id = %(brand_id)s and channel = %(channel)s and lookup = any(%(lookups)s) and blocked_at is not null;

-- name: put_reach
-- An older word does not undo a newer one.
insert into messaging_reach (brand_id, channel, lookup, blocked_at, reason, told_at)
values (%(brand_id)s, %(channel)s, %(lookup)s, %(blocked_at)s, %(reason)s, %(told_at)s)
on conflict (brand_id, channel, lookup) do update set
    blocked_at = excluded.blocked_at, reason = excluded.reason, told_at = excluded.told_at
where messaging_reach.told_at <= excluded.told_at;

-- name: claim_happening
insert into messaging_happenings (brand_id, channel, happening_key, kind, lookup, at, received_at)
values (%(brand_id)s, %(channel)s, %(key)s, %(kind)s, %(lookup)s, %(at)s, %(now)s)
on conflict do nothing;

-- name: lock_quota
insert into messaging_quotas (brand_id, channel, month) values (%(brand_id)s, %(channel)s, %(month)s)
on conflict (brand_id, channel, month) do update set used = messaging_quotas.used
returning used, is_exhausted;

-- name: find_quota
select used, is_exhausted from messaging_quotas
where brand_id = %(brand_id)s and channel = %(channel)s and month = %(month)s;

-- name: add_to_quota
update messaging_quotas set
    used = used + %(messages)s, messages = messages + %(messages)s, of_plans = of_plans + %(of_plans)s, cost = cost + %(cost)s
where brand_id = %(brand_id)s and channel = %(channel)s and month = %(month)s;

-- name: add_reply
update messaging_quotas set replies = replies + 1, saved = saved + %(price)s
where brand_id = %(brand_id)s and channel = %(channel)s and month = %(month)s;

-- name: list_months
-- What each channel's month has come to.
select channel, used, messages, of_plans, cost, replies, saved, is_exhausted from messaging_quotas
where brand_id = %(brand_id)s and month = %(month)s;

-- name: list_expected
-- How many messages of plans wait for their time, as many as are expected to be held out left aside. from_at null: also late
-- ones. What something set off may wait for the end of quiet hours: the pace expects it already.
select d.channel, sum(
    case when d.purpose = any(%(duties)s) then 1 else (1 - coalesce(d.holdout, 0)) * (1 - %(holdout)s::float8) end
)
from messaging_deliveries d
where d.brand_id = %(brand_id)s and d.is_planned and d.plan_id is not null and d.send_at < %(until_at)s
    and (%(from_at)s::timestamptz is null or d.send_at >= %(from_at)s)
    and not exists (select from messaging_paused s where s.brand_id = d.brand_id and s.plan_id = d.plan_id)
group by d.channel;

-- name: raise_quota
-- The channel counts more than we do: somebody else sends from the account too.
insert into messaging_quotas (brand_id, channel, month, used)
values (%(brand_id)s, %(channel)s, %(month)s, %(used)s)
on conflict (brand_id, channel, month) do update set used = greatest(messaging_quotas.used, excluded.used);

-- name: exhaust_quota
update messaging_quotas set is_exhausted = true
where brand_id = %(brand_id)s and channel = %(channel)s and month = %(month)s;

-- name: clear_exhausted
-- The owner changed the account or its plan: the channel is asked again.
update messaging_quotas set is_exhausted = false
where brand_id = %(brand_id)s and channel = %(channel)s and is_exhausted;

-- name: put_budget
insert into messaging_budgets (brand_id, budget, most) values (%(brand_id)s, %(budget)s, %(most)s)
on conflict (brand_id, budget) do update set most = excluded.most;

-- name: lock_budget
select most, spent from messaging_budgets where brand_id = %(brand_id)s and budget = %(budget)s for update;

-- name: add_to_budget
update messaging_budgets set spent = spent + %(amount)s where brand_id = %(brand_id)s and budget = %(budget)s;

-- name: find_budget
select most, spent from messaging_budgets where brand_id = %(brand_id)s and budget = %(budget)s;

-- name: find_message_id
select message_id from messaging_messages where brand_id = %(brand_id)s and digest = %(digest)s;

-- name: put_message
insert into messaging_messages (brand_id, message_id, digest, written, created_at)
values (%(brand_id)s, nextval('messaging_message_id_seq'), %(digest)s, %(written)s, %(now)s)
on conflict (brand_id, digest) do update set digest = excluded.digest
returning message_id;

-- name: find_message
select written from messaging_messages where brand_id = %(brand_id)s and message_id = %(message_id)s;

-- name: find_items
select item_id, name, category, price::text, attributes from facts.items
where brand_id = %(brand_id)s and item_id = any(%(item_ids)s);

-- name: insert_deliveries
insert into messaging_deliveries (
    brand_id, delivery_id, member_id, channel, purpose, topic, message_id, plan_id, campaign, variant, dedupe_key,
    asked_digest, waits, holdout, budget, value, state, send_at, until_at, created_at
)
select %(brand_id)s, nextval('messaging_delivery_id_seq'), u.member_id, u.channel, %(purpose)s, u.topic, u.message_id,
    %(plan_id)s, u.campaign, u.variant, u.dedupe_key, u.asked_digest, %(waits)s, u.holdout, u.budget, u.value, 'planned',
    u.send_at, u.until_at, %(now)s
from unnest(
    %(member_ids)b::bigint[], %(channels)b::text[], %(topics)b::text[], %(message_ids)b::bigint[], %(campaigns)b::text[],
    %(variants)b::text[], %(dedupe_keys)b::text[], %(asked_digests)b::text[], %(holdouts)b::float8[],
    %(budgets)b::text[], %(values)b::numeric[], %(send_ats)b::timestamptz[], %(until_ats)b::timestamptz[]
) as u (member_id, channel, topic, message_id, campaign, variant, dedupe_key, asked_digest, holdout, budget, value, send_at, until_at)
on conflict (brand_id, dedupe_key) do nothing
returning delivery_id, dedupe_key;

-- name: find_by_dedupe_key
select delivery_id, asked_digest from messaging_deliveries
where brand_id = %(brand_id)s and dedupe_key = %(dedupe_key)s;

-- name: take_due_one
-- The oldest planned delivery whose time has come and that nobody else has taken up: what it is one of.
select d.brand_id, d.channel, d.plan_id, d.message_id, d.purpose
from messaging_deliveries d
where d.is_planned and d.send_at <= %(now)s
    and not exists (select from messaging_paused s where s.brand_id = d.brand_id and s.plan_id = d.plan_id)
order by d.send_at, d.delivery_id
limit 1
for update of d skip locked;

-- name: take_due
-- Others like it, in the order of their ids.
select delivery_id, member_id, channel, purpose, topic, message_id,
    case when plan_id is null then dedupe_key else plan_id || ':' || coalesce(campaign, '') end, waits, send_at, until_at, plan_id, campaign,
    holdout, budget
from messaging_deliveries
where brand_id = %(brand_id)s and channel = %(channel)s and message_id = %(message_id)s and purpose = %(purpose)s
    and plan_id is not distinct from %(plan_id)s and is_planned and send_at <= %(now)s
order by send_at, delivery_id
limit %(limit)s
for update skip locked;

-- name: take_delivery
select delivery_id, member_id, channel, purpose, topic, message_id,
    case when plan_id is null then dedupe_key else plan_id || ':' || coalesce(campaign, '') end, waits, send_at, until_at, plan_id, campaign,
    holdout, budget
from messaging_deliveries
where brand_id = %(brand_id)s and delivery_id = %(delivery_id)s
for update;

-- name: set_verdicts
update messaging_deliveries d set
    state = u.state, reason = u.reason, detail = u.detail::jsonb, arm = u.arm, price = u.price, quota_month = u.quota_month,
    counted_member_id = u.counted_member_id, request_id = u.request_id, send_at = coalesce(u.send_at, d.send_at),
    gated_at = case when u.state = 'planned' then null else %(now)s::timestamptz end,
    done_at = case when u.state in ('refused', 'rejected', 'withheld') then %(now)s::timestamptz end
from unnest(
    %(delivery_ids)b::bigint[], %(states)b::text[], %(reasons)b::text[], %(details)b::text[], %(arms)b::text[],
    %(prices)b::numeric[], %(quota_months)b::date[], %(counted_member_ids)b::bigint[], %(request_ids)b::uuid[],
    %(send_ats)b::timestamptz[]
) as u (delivery_id, state, reason, detail, arm, price, quota_month, counted_member_id, request_id, send_at)
where d.brand_id = %(brand_id)s and d.delivery_id = u.delivery_id;

-- name: insert_requests
insert into messaging_requests (brand_id, request_id, channel, plan_id, path, body, addresses, state, next_at, until_at)
select %(brand_id)s, u.request_id, %(channel)s, %(plan_id)s, u.path, u.body, string_to_array(u.addresses, chr(10)), 'waiting', %(now)s,
    u.until_at
from unnest(
    %(request_ids)b::uuid[], %(paths)b::text[], %(bodies)b::bytea[], %(addresses)b::text[], %(until_ats)b::timestamptz[]
) as u (request_id, path, body, addresses, until_at);

-- name: claim_requests
-- One attempt each begins here: from now on it may have been sent. None of those whose time is over.
with chosen as (
    select r.brand_id, r.request_id
    from messaging_requests r
    where r.state = 'waiting' and r.next_at <= %(now)s and r.channel <> all(%(full_channels)s)
        and not exists (select from messaging_paused s where s.brand_id = r.brand_id and s.plan_id = r.plan_id)
    order by r.next_at
    limit %(limit)s
    for update of r skip locked
)
update messaging_requests r set
    state = 'sending', first_at = case when r.until_at <= %(now)s then r.first_at else coalesce(r.first_at, %(now)s) end,
    lease_until = %(lease_until)s
from chosen c
where r.brand_id = c.brand_id and r.request_id = c.request_id
returning r.brand_id, r.request_id, r.channel, r.path, r.body, r.addresses, jsonb_array_length(r.attempts), r.first_at,
    r.attempts @> '[{"outcome": "unknown"}]', coalesce(r.until_at <= %(now)s, false);

-- name: list_abandoned
-- Whoever held these died, or lost the database.
select r.brand_id, r.request_id, r.channel, r.first_at, jsonb_array_length(r.attempts), true
from messaging_requests r
where r.state = 'sending' and r.lease_until < %(now)s
order by r.lease_until
limit %(limit)s
for update skip locked;

-- name: extend_leases
update messaging_requests set lease_until = %(lease_until)s
where state = 'sending' and request_id = any(%(request_ids)s);

-- name: finish_requests
-- What came of an attempt. Nothing changes where another has told it already.
update messaging_requests r set
    state = u.state, attempts = r.attempts || u.attempt::jsonb, next_at = coalesce(u.next_at, r.next_at), lease_until = null,
    done_at = case when u.state in ('waiting', 'sending') then null else %(now)s::timestamptz end, message_id = u.message_id
from unnest(
    %(request_ids)b::uuid[], %(states)b::text[], %(attempts)b::text[], %(next_ats)b::timestamptz[], %(message_ids)b::text[]
) as u (request_id, state, attempt, next_at, message_id)
where r.brand_id = %(brand_id)s and r.request_id = u.request_id and r.state = 'sending'
returning r.request_id;

-- name: finish_deliveries
update messaging_deliveries d set state = u.state, reason = u.reason, done_at = %(now)s
from unnest(%(request_ids)b::uuid[], %(states)b::text[], %(reasons)b::text[]) as u (request_id, state, reason)
where d.brand_id = %(brand_id)s and d.request_id = u.request_id and d.state = 'reserved';

-- name: list_deliveries_of
select delivery_id, counted_member_id, quota_month from messaging_deliveries
where brand_id = %(brand_id)s and request_id = any(%(request_ids)s) and state = 'reserved';

-- name: release_quota
update messaging_quotas q set
    used = greatest(0, q.used - n.messages), messages = q.messages - n.messages, of_plans = q.of_plans - n.of_plans,
    cost = q.cost - n.cost
from (
    select channel, quota_month, count(*) as messages, count(plan_id) as of_plans, coalesce(sum(price), 0) as cost
    from messaging_deliveries
    where brand_id = %(brand_id)s and delivery_id = any(%(delivery_ids)s) and quota_month is not null
    group by channel, quota_month
) n
where q.brand_id = %(brand_id)s and q.channel = n.channel and q.month = n.quota_month;

-- name: release_budgets
update messaging_budgets b set spent = b.spent - n.amount
from (
    select budget, sum(coalesce(price, 0)) as amount from messaging_deliveries
    where brand_id = %(brand_id)s and delivery_id = any(%(delivery_ids)s) and budget is not null
    group by budget
) n
where b.brand_id = %(brand_id)s and b.budget = n.budget;

-- name: list_deliveries
select d.delivery_id, d.member_id, d.plan_id, d.campaign, d.channel,
    case when d.state = 'reserved' and r.state = 'sending' then 'sending' else d.state end, d.reason, d.price, d.send_at,
    d.topic, d.detail, r.attempts, d.request_id, d.variant, case when d.clicked_at is null then 0 else (
        select sum(c.clicks)::bigint from messaging_clicks c where c.brand_id = d.brand_id and c.delivery_id = d.delivery_id
    ) end as clicks, d.until_at, d.clicked_at,
    d.unsubscribed_at
from messaging_deliveries d
left join messaging_requests r on r.brand_id = d.brand_id and r.request_id = d.request_id
where d.brand_id = %(brand_id)s and d.delivery_id > %(after)s
    and (%(plan_id)s::bigint is null or d.plan_id = %(plan_id)s)
    and (%(campaign)s::text is null or d.campaign = %(campaign)s)
    and (%(member_ids)s::bigint[] is null or d.member_id = any(%(member_ids)s))
    and (
        %(state)s::text is null
        or case when d.state = 'reserved' and r.state = 'sending' then 'sending' else d.state end = %(state)s
    )
order by d.delivery_id
limit %(limit)s;

-- name: find_delivery
select d.delivery_id, d.member_id, d.plan_id, d.campaign, d.channel,
    case when d.state = 'reserved' and r.state = 'sending' then 'sending' else d.state end, d.reason, d.price, d.send_at,
    d.topic, d.detail, r.attempts, d.request_id, d.variant, case when d.clicked_at is null then 0 else (
        select sum(c.clicks)::bigint from messaging_clicks c where c.brand_id = d.brand_id and c.delivery_id = d.delivery_id
    ) end as clicks, d.until_at, d.clicked_at,
    d.unsubscribed_at
from messaging_deliveries d
left join messaging_requests r on r.brand_id = d.brand_id and r.request_id = d.request_id
where d.brand_id = %(brand_id)s and d.delivery_id = %(delivery_id)s;

-- name: count_states
-- What is on its way are few, and found from their requests: one look at all deliveries is enough.
with counted as (
    select d.state, count(*) as deliveries from messaging_deliveries d
    where d.brand_id = %(brand_id)s and d.plan_id = %(plan_id)s
    group by d.state
), sending as (
    select 'sending' as state, count(*) as deliveries
    from messaging_requests r
    join messaging_deliveries d on d.brand_id = r.brand_id and d.request_id = r.request_id and d.state = 'reserved'
    where r.brand_id = %(brand_id)s and r.plan_id = %(plan_id)s and r.state = 'sending'
)
select c.state, c.deliveries - case when c.state = 'reserved' then s.deliveries else 0 end from counted c cross join sending s
union all
select s.state, s.deliveries from sending s;

-- name: pause_plan
insert into messaging_paused (brand_id, plan_id) values (%(brand_id)s, %(plan_id)s) on conflict do nothing;

-- name: resume_plan
delete from messaging_paused where brand_id = %(brand_id)s and plan_id = %(plan_id)s;

-- name: cancel_planned
update messaging_deliveries set state = 'cancelled', done_at = %(now)s
where brand_id = %(brand_id)s and plan_id = %(plan_id)s and is_planned;

-- name: cancel_waiting
-- Requests of which no attempt was ever made.
update messaging_requests set state = 'cancelled', done_at = %(now)s
where brand_id = %(brand_id)s and plan_id = %(plan_id)s and state = 'waiting' and first_at is null
returning request_id;

-- name: insert_links
insert into messaging_links (brand_id, url, url_digest)
select %(brand_id)s, u.url, u.digest from unnest(%(urls)b::text[], %(digests)b::text[]) as u (url, digest)
on conflict (brand_id, url_digest) do update set url_digest = excluded.url_digest
returning link_id, url;

-- name: find_link
select l.url from messaging_links l where l.brand_id = %(brand_id)s and l.link_id = %(link_id)s;

-- name: count_click
insert into messaging_clicks (brand_id, delivery_id, link_id, at) values (%(brand_id)s, %(delivery_id)s, %(link_id)s, %(now)s)
on conflict (brand_id, delivery_id, link_id) do update set clicks = messaging_clicks.clicks + 1;

-- name: mark_clicked
update messaging_deliveries set clicked_at = %(now)s
where brand_id = %(brand_id)s and delivery_id = %(delivery_id)s and clicked_at is null;

-- name: mark_unsubscribed
update messaging_deliveries set unsubscribed_at = %(now)s
where brand_id = %(brand_id)s and delivery_id = %(delivery_id)s and unsubscribed_at is null;

-- name: forget_bodies
-- What a request said is of no more use once it cannot be retried.
update messaging_requests set body = ''::bytea, addresses = '{}'
where brand_id = %(brand_id)s and done_at < %(before)s and octet_length(body) > 0;

-- name: forget_addresses
-- Of erased members: what was kept of them in requests. One to several that is still to be sent keeps its bytes until then.
with theirs as (
    select distinct request_id from messaging_deliveries
    where brand_id = %(brand_id)s and member_id = any(%(member_ids)s) and request_id is not null
)
update messaging_requests r set body = ''::bytea, addresses = '{}',
    state = case when r.state = 'waiting' then 'cancelled' else r.state end, done_at = coalesce(r.done_at, %(now)s)
from theirs t
where r.brand_id = %(brand_id)s and r.request_id = t.request_id
    and (r.done_at is not null or (r.state = 'waiting' and cardinality(r.addresses) = 1))
returning r.request_id, r.first_at is not null;

-- name: forget_happenings
delete from messaging_happenings where brand_id = %(brand_id)s and received_at < %(before)s;

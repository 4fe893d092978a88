-- Named queries of campaigns. One query, one function of the same name in store/.

-- name: lock_campaign
-- Versions of one campaign follow each other; one that was removed goes on where it ended.
insert into campaigns_campaigns (brand_id, name, version, updated_at)
values (%(brand_id)s, %(name)s, 0, %(now)s)
on conflict (brand_id, name) do update set updated_at = campaigns_campaigns.updated_at
returning version, removed_at is not null;

-- name: set_version
update campaigns_campaigns set version = %(version)s, updated_at = %(now)s, removed_at = null
where brand_id = %(brand_id)s and name = %(name)s;

-- name: insert_version
insert into campaigns_versions (brand_id, name, version, written, created_at)
values (%(brand_id)s, %(name)s, %(version)s, %(written)s, %(now)s);

-- name: find_campaign
-- The newest version of a campaign that was not removed.
select v.version, v.written, c.updated_at
from campaigns_campaigns c
join campaigns_versions v on v.brand_id = c.brand_id and v.name = c.name and v.version = c.version
where c.brand_id = %(brand_id)s and c.name = %(name)s and c.removed_at is null;

-- name: find_version
-- Any version, of a campaign that was removed too.
select v.written from campaigns_versions v
where v.brand_id = %(brand_id)s and v.name = %(name)s and v.version = %(version)s;

-- name: list_campaigns
select c.name, v.version, v.written, c.updated_at
from campaigns_campaigns c
join campaigns_versions v on v.brand_id = c.brand_id and v.name = c.name and v.version = c.version
where c.brand_id = %(brand_id)s and c.name > %(after)s and c.removed_at is null
order by c.name
limit %(limit)s;

-- name: remove_campaign
update campaigns_campaigns set removed_at = %(now)s
where brand_id = %(brand_id)s and name = %(name)s and removed_at is null;

-- name: insert_plan
insert into campaigns_plans (
    brand_id, plan_id, state, asked, campaigns, versions, channels, as_of, first_on, last_on, totals, warnings, created_at
)
values (
    %(brand_id)s, nextval('campaigns_plan_id_seq'), 'draft', %(asked)s, %(campaigns)s, %(versions)s, %(channels)s, %(as_of)s,
    %(first_on)s, %(last_on)s, %(totals)s, %(warnings)s, %(now)s
)
returning plan_id;

-- name: find_plan
select plan_id, state, asked, campaigns, versions, channels, as_of, first_on, last_on, totals, warnings, created_at
from campaigns_plans
where brand_id = %(brand_id)s and plan_id = %(plan_id)s;

-- name: lock_plan
select state from campaigns_plans where brand_id = %(brand_id)s and plan_id = %(plan_id)s for update;

-- name: set_plan_state
update campaigns_plans set state = %(state)s, sent_at = coalesce(sent_at, %(sent_at)s)
where brand_id = %(brand_id)s and plan_id = %(plan_id)s;

-- name: list_plans
-- The newest first.
select plan_id, state, asked, campaigns, versions, channels, as_of, first_on, last_on, totals, warnings, created_at
from campaigns_plans
where brand_id = %(brand_id)s and plan_id < %(before)s
order by plan_id desc
limit %(limit)s;

-- name: list_assignments
-- In the order of members, then campaigns.
select member_id, campaign_no, channel_no, variant_no, value_micros, price_micros, send_at, is_withheld
from campaigns_assignments
where brand_id = %(brand_id)s and plan_id = %(plan_id)s and (member_id, campaign_no) > (%(member_id)s, %(campaign_no)s)
order by member_id, campaign_no
limit %(limit)s;

-- name: list_assignment_columns
-- As list_assignments, as columns of bytes; and how many there are.
select count(*), string_agg(int8send(a.member_id), ''::bytea), string_agg(int2send(a.campaign_no), ''::bytea),
    string_agg(int2send(a.channel_no), ''::bytea), string_agg(int2send(a.variant_no), ''::bytea),
    string_agg(int8send(a.value_micros), ''::bytea), string_agg(timestamptz_send(a.send_at), ''::bytea)
from (
    select * from campaigns_assignments
    where brand_id = %(brand_id)s and plan_id = %(plan_id)s and (member_id, campaign_no) > (%(member_id)s, %(campaign_no)s)
    order by member_id, campaign_no
    limit %(limit)s
) a;

-- name: list_assignments_of
-- Of some members.
select member_id, campaign_no, channel_no, variant_no, value_micros, price_micros, send_at, is_withheld
from campaigns_assignments
where brand_id = %(brand_id)s and plan_id = %(plan_id)s and member_id = any(%(member_ids)s)
order by member_id, campaign_no;

-- name: list_unsent
select member_id, campaign_no, channel_no, value_micros, reason_no from campaigns_unsent
where brand_id = %(brand_id)s and plan_id = %(plan_id)s and member_id > %(after)s
order by member_id
limit %(limit)s;

-- name: list_unsent_of
select member_id, campaign_no, channel_no, value_micros, reason_no from campaigns_unsent
where brand_id = %(brand_id)s and plan_id = %(plan_id)s and member_id = any(%(member_ids)s);

-- name: find_newest_plan
-- The newest plan that a campaign was part of, one that is being sent before one that is a draft.
select p.plan_id from campaigns_plans p
where p.brand_id = %(brand_id)s and %(campaign)s = any(p.campaigns) and p.state <> 'cancelled'
order by (p.state <> 'draft') desc, p.plan_id desc
limit 1;

-- name: prepare_scans
-- For the rest of the transaction: what is asked of a million members is sorted and hashed in memory, and not on the disk.
-- And it is hashed: of a brand that came a minute ago the statistics expect one row, and a nested loop would take the square.
select set_config('work_mem', %(work_mem)s, true), set_config('enable_nestloop', 'off', true);

-- name: list_member_ids
-- Columns as bytes, in one order: a million members come as fast as they can be copied. Null: all of them.
select coalesce(string_agg(int4send(m.member_no), ''::bytea), ''), coalesce(string_agg(int8send(m.member_id), ''::bytea), '')
from facts.members m
where m.brand_id = %(brand_id)s and (%(numbers)b::int[] is null or m.member_no = any(%(numbers)b::int[]));

-- name: list_reachable
-- Whom a channel reaches and who allows the purpose there: asked for where it is marketing, not refused elsewhere.
-- The words are gathered once: each of several workers would sort all of them.
with words as materialized (
    select c.member_id from facts.consents c
    where c.brand_id = %(brand_id)s and c.channel = %(channel)s and c.purpose = %(purpose)s and c.granted = %(needs_consent)s
)
select coalesce(string_agg(int4send(m.member_no), ''::bytea), '')
from facts.members m
where m.brand_id = %(brand_id)s and (%(numbers)b::int[] is null or m.member_no = any(%(numbers)b::int[]))
    and exists (
        select from facts.reachable r
        where r.brand_id = m.brand_id and r.channel = %(channel)s and r.member_id = m.member_id
    )
    and (m.member_id in (select w.member_id from words w)) = %(needs_consent)s;

-- name: list_topic_refusals
select p.topic, string_agg(int4send(p.member_no), ''::bytea)
from (
    select m.member_no, t.topic
    from facts.people m cross join lateral jsonb_each(m.preferences -> 'topics') as t (topic, wanted)
    where m.brand_id = %(brand_id)s and m.state = 'active' and m.preferences <> '{}'
        and jsonb_typeof(m.preferences -> 'topics') = 'object' and t.wanted = 'false'
) p
group by p.topic;

-- name: list_preferred_channels
select m.preferences ->> 'channel', string_agg(int4send(m.member_no), ''::bytea)
from facts.people m
where m.brand_id = %(brand_id)s and m.state = 'active' and m.preferences ->> 'channel' is not null
group by m.preferences ->> 'channel';

-- name: list_own_caps
select c.cap ->> 'per', string_agg(int4send(m.member_no), ''::bytea),
    string_agg(int4send((c.cap ->> 'most')::int), ''::bytea)
from facts.people m cross join lateral jsonb_array_elements(m.preferences -> 'caps') as c (cap)
where m.brand_id = %(brand_id)s and m.state = 'active' and jsonb_typeof(m.preferences -> 'caps') = 'array'
group by c.cap ->> 'per';

-- name: list_held
-- Deliveries that count after an instant, of one topic or of all.
select coalesce(string_agg(int4send(h.member_no), ''::bytea), ''), coalesce(string_agg(int4send(h.held), ''::bytea), '')
from (
    select m.member_no, count(*)::int as held
    from facts.counted c join facts.members m on m.brand_id = c.brand_id and m.member_id = c.member_id
    where c.brand_id = %(brand_id)s and c.at > %(after)s and (%(topic)s::text is null or c.topic = %(topic)s)
    group by m.member_no
) h;

-- name: list_trait_numbers
select coalesce(string_agg(int4send(v.member_no), ''::bytea), ''),
    coalesce(string_agg(float8send(v.value::numeric::float8), ''::bytea), '')
from (
    select m.member_no, m.traits -> %(trait)s as value
    from facts.members m
    where m.brand_id = %(brand_id)s and (%(numbers)b::int[] is null or m.member_no = any(%(numbers)b::int[]))
    offset 0 -- or the trait would be looked for three times
) v
where jsonb_typeof(v.value) = 'number';

-- name: list_lifts
-- What was measured of campaigns with the same goal, each draw, and whether it is this one.
select l.campaign = %(campaign)s, l.treated, l.treated_converted, l.withheld, l.withheld_converted
from facts.lifts l
where l.brand_id = %(brand_id)s and l.goal = %(goal)s::jsonb;

-- name: find_trait_type
select t.type, t.personal from facts.trait_types t where t.brand_id = %(brand_id)s and t.trait = %(trait)s;

-- name: list_number_traits
select t.trait from facts.trait_types t where t.brand_id = %(brand_id)s and t.type in ('number', 'mixed') and not t.personal;

-- name: list_items_missing
select u.item_id from unnest(%(item_ids)b::text[]) as u (item_id)
where not exists (select from facts.items i where i.brand_id = %(brand_id)s and i.item_id = u.item_id);

-- name: list_items_near
-- The ids beside one that is not there, in their order.
(select i.item_id from facts.items i where i.brand_id = %(brand_id)s and i.item_id >= %(item_id)s order by i.item_id limit %(limit)s)
union all
(select i.item_id from facts.items i where i.brand_id = %(brand_id)s and i.item_id < %(item_id)s order by i.item_id desc limit %(limit)s);

-- name: count_waiting
-- Messages that other plans will take of a channel between two instants.
select count(*) from facts.waiting w
where w.brand_id = %(brand_id)s and w.channel = %(channel)s and w.send_at >= %(from_at)s and w.send_at < %(until_at)s;

-- name: ensure_trigger
-- A new version begins anew, and is told of nothing that happened before; how often it was set off is counted on.
insert into campaigns_triggers (brand_id, campaign, version, kind, after_seq, inside, next_at)
values (
    %(brand_id)s, %(campaign)s, %(version)s, %(kind)s,
    coalesce((select h.head_seq from facts.tail_heads h where h.brand_id = %(brand_id)s), 0), %(inside)s, %(next_at)s
)
on conflict (brand_id, campaign) do update
set version = excluded.version, kind = excluded.kind, after_seq = excluded.after_seq, inside = excluded.inside,
    next_at = excluded.next_at
where campaigns_triggers.version <> excluded.version;

-- name: delete_trigger
delete from campaigns_triggers where brand_id = %(brand_id)s and campaign = %(campaign)s;

-- name: list_triggers
-- Of all brands, with the last event that each brand has.
select t.brand_id, t.campaign, t.version, t.kind, t.after_seq, t.occurrence, t.next_at, coalesce(h.head_seq, 0)
from campaigns_triggers t left join facts.tail_heads h on h.brand_id = t.brand_id
order by t.brand_id, t.campaign;

-- name: find_inside
select t.inside from campaigns_triggers t where t.brand_id = %(brand_id)s and t.campaign = %(campaign)s;

-- name: lock_trigger
-- Another worker that is at it is left to it; one that was there meanwhile has moved what this one looked at.
select t.campaign from campaigns_triggers t
where t.brand_id = %(brand_id)s and t.campaign = %(campaign)s and t.version = %(version)s and t.after_seq = %(after_seq)s
    and t.occurrence = %(occurrence)s and t.next_at = %(next_at)s
for update skip locked;

-- name: set_trigger
update campaigns_triggers set
    after_seq = %(after_seq)s, occurrence = %(occurrence)s, next_at = %(next_at)s, inside = coalesce(%(inside)s, inside)
where brand_id = %(brand_id)s and campaign = %(campaign)s;

-- name: list_new_events
-- Events of some names behind a seq, by members in force. Those of imports are old, however late they come.
select t.seq, m.member_no, m.member_id, t.name, t.occurred_at, t.properties
from facts.tail t
join facts.origins o on o.brand_id = t.brand_id and o.origin_id = t.origin_id
join facts.members m on m.brand_id = o.brand_id and m.member_id = o.member_id
where t.brand_id = %(brand_id)s and t.seq > %(after_seq)s and t.seq <= %(to_seq)s and t.name = any(%(names)s)
    and t.occurred_at > %(occurred_after)s
order by t.seq
limit %(limit)s;

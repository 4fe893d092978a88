-- Named queries of measure. One query, one function of the same name in store.py.

-- name: prepare_scans
-- For the rest of the transaction: a million deliveries are joined with their members in memory, and not on the disk; by
-- hashing, whatever the statistics expect of a campaign that was sent a minute ago: a nested loop would take the square.
select set_config('work_mem', %(work_mem)s, true), set_config('enable_nestloop', 'off', true);

-- name: find_campaign
-- The newest version, of a campaign that was removed too.
select c.version, c.written from facts.campaigns c where c.brand_id = %(brand_id)s and c.campaign = %(campaign)s;

-- name: list_planned
-- What each plan meant by the campaign.
select p.plan_id, p.version, p.written from facts.plans p
where p.brand_id = %(brand_id)s and p.campaign = %(campaign)s and p.plan_id = any(%(plan_ids)s);

-- name: keeps_shares
-- Whether all versions of the campaign gave its variants the same shares.
select count(distinct (
    jsonb_path_query_array(v.written::jsonb, '$.variants[*].name'), jsonb_path_query_array(v.written::jsonb, '$.variants[*].share')
)) = 1
from facts.campaign_versions v
where v.brand_id = %(brand_id)s and v.campaign = %(campaign)s;

-- name: list_exposures
-- Who was to be treated or withheld, and since when, as columns of bytes for each plan, variant, arm (null: treated) and holdout.
select s.plan_id, s.variant, case when s.state = 'withheld' then s.arm end, coalesce(s.holdout, 0),
    string_agg(int4send(m.member_no), ''::bytea), string_agg(timestamptz_send(s.gated_at), ''::bytea),
    string_agg(int8send(s.own_member_id), ''::bytea)
from facts.sent s
join facts.members m on m.brand_id = s.brand_id and m.member_id = s.member_id
where s.brand_id = %(brand_id)s and s.campaign = %(campaign)s and s.gated_at is not null
group by 1, 2, 3, 4
order by 1, 2, 3, 4;

-- name: list_accepted
-- Messages of any campaign that reached these members within a time, and whether it is this one.
with asked as materialized (
    select p.member_id, m.member_no
    from facts.members m
    join facts.people p on p.brand_id = m.brand_id and p.in_force_id = m.member_id
    where m.brand_id = %(brand_id)s and m.member_no = any(%(numbers)b::int[])
)
select coalesce(string_agg(int4send(a.member_no), ''::bytea), ''), coalesce(string_agg(timestamptz_send(s.done_at), ''::bytea), ''),
    coalesce(string_agg(int2send((s.campaign = %(campaign)s)::int::smallint), ''::bytea), '')
from facts.sent s
join asked a on a.member_id = s.own_member_id
where s.brand_id = %(brand_id)s and s.state = 'accepted' and s.campaign is not null and s.done_at >= %(from_at)s
    and s.done_at < %(until_at)s;

-- name: list_uncounted
-- Campaigns that somebody was exposed to since then, but those whose count is final, unless somebody was since or the goal is another.
select s.campaign
from (
    select e.campaign, max(e.gated_at) as last_at from facts.sent e
    where e.brand_id = %(brand_id)s and e.campaign is not null and e.gated_at > %(after)s
    group by e.campaign
) s
join facts.campaigns k on k.brand_id = %(brand_id)s and k.campaign = s.campaign
left join measure_counted c on c.brand_id = k.brand_id and c.campaign = k.campaign
where c.is_final is not true or c.counted_at <= s.last_at or c.goal is distinct from k.written::jsonb -> 'goal'
order by s.campaign;

-- name: put_counted
insert into measure_counted (brand_id, campaign, goal, is_final, counted_at)
values (%(brand_id)s, %(campaign)s, %(goal)s::jsonb, %(is_final)s, %(now)s)
on conflict (brand_id, campaign) do update set goal = excluded.goal, is_final = excluded.is_final, counted_at = excluded.counted_at;

-- name: delete_lifts
delete from measure_lifts where brand_id = %(brand_id)s and campaign = %(campaign)s;

-- name: insert_lifts
insert into measure_lifts (
    brand_id, campaign, draw, holdout, goal, treated, treated_converted, withheld, withheld_converted, measured_at
)
select %(brand_id)s, %(campaign)s, u.draw, u.holdout, %(goal)s::jsonb, u.treated, u.treated_converted, u.withheld,
    u.withheld_converted, %(now)s
from unnest(
    %(draws)b::bigint[], %(holdouts)b::float8[], %(treated)b::int[], %(treated_converted)b::int[], %(withheld)b::int[],
    %(withheld_converted)b::int[]
) as u (draw, holdout, treated, treated_converted, withheld, withheld_converted);

-- What a person who knows the files writes for the reference audiences of `bench audience`, each in the fastest shape
-- that was found. `:order_completed_365d` stands for the files of that part that reach into the last 365 days. Tables:
-- origins (origin_id, member_no), members (member_no), and of the last one with_traits, which PostgreSQL has answered.

-- name: exists
select distinct o.member_no
from read_parquet(:product_added_30d) e join origins o using (origin_id)
where e.occurred_at > $as_of - interval 30 day and e.occurred_at <= $as_of;

-- name: count_in_window
select o.member_no
from read_parquet(:product_viewed_90d) e join origins o using (origin_id)
where e.occurred_at > $as_of - interval 90 day and e.occurred_at <= $as_of
group by o.member_no
having count(*) >= 3;

-- name: sum_in_window
select o.member_no
from read_parquet(:order_completed_365d) e join origins o using (origin_id)
where e.occurred_at > $as_of - interval 365 day and e.occurred_at <= $as_of
group by o.member_no
having sum(e.revenue) >= 150;

-- name: absence
select m.member_no
from members m
where m.member_no not in (
    select o.member_no
    from read_parquet(:order_completed_90d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 90 day and e.occurred_at <= $as_of
);

-- name: five_leaves
with searched as (
    select distinct o.member_no
    from read_parquet(:products_searched_30d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 30 day and e.occurred_at <= $as_of
), viewed as (
    select o.member_no
    from read_parquet(:product_viewed_30d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 30 day and e.occurred_at <= $as_of
    group by o.member_no
    having count(*) >= 2
), added as (
    select distinct o.member_no
    from read_parquet(:product_added_14d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 14 day and e.occurred_at <= $as_of
), spent as (
    select o.member_no
    from read_parquet(:order_completed_90d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 90 day and e.occurred_at <= $as_of
    group by o.member_no
    having sum(e.revenue) >= 50
), gone as (
    select distinct o.member_no
    from read_parquet(:product_removed_30d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 30 day and e.occurred_at <= $as_of
)
from added semi join searched using (member_no) semi join viewed using (member_no) semi join spent using (member_no)
anti join gone using (member_no);

-- name: sequence
with started as (
    select o.member_no, e.occurred_at as at
    from read_parquet(:checkout_started_30d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 30 day and e.occurred_at <= $as_of
), ordered as (
    select o.member_no, e.occurred_at as at
    from read_parquet(:order_completed_30d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 30 day and e.occurred_at <= $as_of
)
select distinct s.member_no
from started s join ordered c on c.member_no = s.member_no and c.at > s.at and c.at <= s.at + interval 3 day;

-- name: percentile
with spent as (
    select o.member_no, sum(e.revenue) as x
    from read_parquet(:order_completed_365d) e join origins o using (origin_id)
    where e.occurred_at > $as_of - interval 365 day and e.occurred_at <= $as_of
    group by o.member_no
)
select member_no
from spent
where x >= (select x from spent order by x desc limit 1 offset (select ceil(count(*) * 0.1)::bigint - 1 from spent));

-- name: property_and_traits
select distinct o.member_no
from read_parquet(:product_viewed_30d) e join origins o using (origin_id) semi join with_traits t using (member_no)
where e.occurred_at > $as_of - interval 30 day and e.occurred_at <= $as_of
    and e.properties ->> '$.channel' = 'app' and e.category in ('c1', 'c2', 'c3', 'c4', 'c5');

-- name: traits
-- In PostgreSQL.
select coalesce(array_agg(member_no), '{}')
from members_members
where brand_id = 1 and state = 'active' and traits ->> 'tier' in ('silver', 'gold') and (traits ->> 'age')::int < 40;

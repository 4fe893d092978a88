-- Named queries of the history's engine, by which computed traits and favourites are found; service/measuring.py runs
-- them over the views of a snapshot and the temporary tables that they make.

-- name: keep
-- {table} and {found} are filled in: a table's name, and a query that conditions has printed.
create or replace temp table {table} as
select * from ({found}) found where member_no in (select member_no from scope);

-- name: set_scope
create or replace temp table scope as select member_no from scoped;

-- name: set_shares
create or replace temp table shares as
select unnest($categories::VARCHAR[]) as category, unnest($bases::DOUBLE[]) as base;

-- name: list_touched
-- Members with new events, and with those that lay ahead the last time and do no more.
select distinct o.member_no from events e join origins o on o.origin_id = e.origin_id
where e.seq > $seq or (e.occurred_at > $after and e.occurred_at <= $until);

-- name: make_rhythm
create or replace temp table rhythm as
select member_no, median(gap)::DOUBLE as gap, ($today::DATE - max(day))::INTEGER as since
from (
    select member_no, day, day - lag(day) over (partition by member_no order by day) as gap
    from (select distinct member_no, day from matches)
)
group by member_no
having count(*) >= $visits_min;

-- name: make_tastes
-- A line's own category, else its item's in the catalogue, else the event's. Of an order each category counts once.
create or replace temp table tastes as
with named as (
    select b.member_no, b.seq, b.day, coalesce(l.category, i.category, b.category) as category
    from matches b join lines l on l.seq = b.seq left join items i on i.item_id = l.item_id
    where b.line_count > 0
    union all
    select b.member_no, b.seq, b.day, coalesce(b.category, i.category)
    from matches b left join items i on i.item_id = b.item_id
    where coalesce(b.line_count, 0) = 0
),
once as (
    select distinct member_no, seq, day,
        trim(left(replace(replace(category, '/', '-'), chr(0), ''), $characters_max)) as category
    from named
),
counted as (
    select member_no, category, count(*) as purchases, min(day) as first_on, max(day) as last_on,
        sum(round(power(2, ($today::DATE - day) / -$half_life_days::DOUBLE) * $micro)::BIGINT) as micro
    from once where category <> ''
    group by member_no, category
)
select *, sum(micro) over (partition by member_no) as member_micro from counted;

-- name: list_shares
select category, sum(micro), (select sum(micro) from tastes) from tastes
group by category order by sum(micro) desc, category limit $shares_max;

-- name: list_values
select member_no, value from {table} where member_no between $first and $last;

-- name: list_rhythms
select member_no, gap, since from rhythm where member_no between $first and $last;

-- name: list_promising
-- What can be a favourite; what is one is decided where it is defined.
select t.member_no, t.category, t.purchases, t.micro, t.member_micro, s.base, t.first_on, t.last_on
from tastes t join shares s on s.category = t.category
where t.member_no between $first and $last and t.purchases >= $purchases_min and t.micro > 0
    and t.micro / t.member_micro > $lift_min * s.base;

-- name: list_tastes
select t.member_no, t.category, t.purchases, t.micro, t.member_micro, s.base, t.first_on, t.last_on
from tastes t join shares s on s.category = t.category
where t.member_no = $member_no and t.micro > 0;

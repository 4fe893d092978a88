-- Named queries of the history's engine: what members did after they were exposed. service/counting.py runs them over the
-- views of a snapshot; {found} is filled in by a query of (member_no, instant, revenue) that conditions has printed. Instants are
-- µs since 1970. `draw` is a plan, or the month in which something set the campaign off, as -YYYYMM; arm 0 is treated.

-- name: make_exposures
create or replace temp table exposures as
select member_no, own, instant, arm, variant, holdout, draw from exposed;

-- name: make_mixed
-- Members of whom one part was treated and another withheld: they were merged since. What a part was first, it is: a holdout
-- that is changed later, and whom a later plan still reaches, decide nothing.
create or replace temp table mixed as
select member_no
from (
    select member_no, own, arg_min(arm, instant) as arm
    from exposures
    where member_no in (select member_no from exposures group by member_no having min(own) < max(own))
    group by member_no, own
)
group by member_no
having min(arm) = 0 and max(arm) > 0;

-- name: count_mixed
select count(*) from mixed;

-- name: make_units
-- A member once a draw, from the moment the arms parted; withheld are by the draw's own holdout, or else by the brand's. is_first
-- in the first of those with the campaign's control: where all were treated alike, nothing was different yet.
create or replace temp table units as
select *, (holdout > 0) = $is_own and row_number() over (partition by member_no, holdout > 0 order by instant, draw, holdout) = 1 as is_first
from (
    select distinct on (member_no, draw, holdout) member_no, draw, holdout, arm, variant, instant
    from exposures
    where arm in (0, if(holdout > 0, 1, 2)) and member_no not in (select member_no from mixed)
    order by member_no, draw, holdout, instant
);

-- name: list_lots
-- Who was drawn, by whom it was made for: members of whom both parts were withheld by chance are rarer than those of whom one was.
select draw, holdout, is_first, count(*) filter (where arm = 0), count(*) filter (where arm > 0)
from (
    select *, row_number() over (partition by own order by instant, draw, holdout) = 1 as is_first
    from (
        select distinct on (own, draw, holdout) own, draw, holdout, arm, instant
        from exposures
        where arm in (0, 1) and holdout > 0
        order by own, draw, holdout, instant
    )
)
group by draw, holdout, is_first
order by draw, holdout, is_first;

-- name: make_outcomes
create or replace temp table outcomes as
select u.member_no, u.draw, u.holdout, coalesce(sum(e.revenue), 0) as revenue
from units u join ({found}) e on e.member_no = u.member_no and e.instant > u.instant and e.instant <= u.instant + $goal_window
group by u.member_no, u.draw, u.holdout;

-- name: list_cells
-- In order, so that a repeated question has the same answer to its last digit.
select u.is_first, u.draw, u.holdout, u.arm, u.variant, count(*), count(o.member_no), coalesce(sum(o.revenue), 0),
    coalesce(var_pop(coalesce(o.revenue, 0)::DOUBLE order by o.revenue) * count(*), 0), max(u.instant)
from units u left join outcomes o on o.member_no = u.member_no and o.draw = u.draw and o.holdout = u.holdout
group by u.is_first, u.draw, u.holdout, u.arm, u.variant
order by all;

-- name: make_candidates
-- Events that may have followed a message of the campaign: it was accepted at most so long after the gate let it pass.
create or replace temp table candidates as
select e.member_no, e.instant, e.revenue from ({found}) e
where exists (
    select 1 from exposures x
    where x.member_no = e.member_no and x.arm = 0 and e.instant > x.instant and e.instant <= x.instant + $attribution + $accepted_within
);

-- name: list_candidates
select distinct member_no from candidates;

-- name: count_attributed
select count(*), count(distinct e.member_no), coalesce(sum(e.revenue), 0)
from candidates e asof join accepted a on a.member_no = e.member_no and e.instant > a.instant
where a.is_mine = 1 and e.instant <= a.instant + $attribution;

-- Rewards and staged events. One query, one function of the same name in store/rewards.py and store/registrations.py.

-- name: ensure_reward
insert into loyalty_rewards (brand_id, programme, reward) values (%(brand_id)s, %(programme)s, %(reward)s)
on conflict do nothing;

-- name: lock_reward
-- Until commit. Whoever takes one, or gives one back, has this lock; confirming changes no count.
select r.reward_id, r.taken_count from loyalty_rewards r
where r.brand_id = %(brand_id)s and r.programme = %(programme)s and r.reward = %(reward)s
for update;

-- name: expire_redemptions
-- Reservations of a reward that are over at an instant. How many; what the ledger holds of them is freed by whoever can.
with ended as (
    update loyalty_redemptions d set state = 'expired', ended_at = %(now)s
    where d.brand_id = %(brand_id)s and d.reward_id = %(reward_id)s
        and d.state = 'reserved' and d.reserved_until <= %(now)s
    returning d.redemption_id
)
select count(*) from ended;

-- name: count_taken
update loyalty_rewards set taken_count = taken_count + %(count)s
where brand_id = %(brand_id)s and reward_id = %(reward_id)s;

-- name: insert_redemption
insert into loyalty_redemptions (brand_id, member_id, reward_id, asset, price, hold_id, made_at, reserved_until)
values (
    %(brand_id)s, %(member_id)s, %(reward_id)s, %(asset)s, %(price)s, %(hold_id)s, %(now)s, %(until)s
)
returning redemption_id;

-- name: find_redemption
select d.redemption_id, d.member_id, r.programme, r.reward, d.asset, d.price, d.hold_id, d.is_held, d.state,
    d.reserved_until
from loyalty_redemptions d join loyalty_rewards r on r.brand_id = d.brand_id and r.reward_id = d.reward_id
where d.brand_id = %(brand_id)s and d.redemption_id = %(redemption_id)s;

-- name: lock_redemption
-- Until commit; after the reward, where that is locked too.
select d.state from loyalty_redemptions d
where d.brand_id = %(brand_id)s and d.redemption_id = %(redemption_id)s
for update;

-- name: end_redemption
update loyalty_redemptions set state = %(state)s, is_held = false, ended_at = coalesce(ended_at, %(now)s)
where brand_id = %(brand_id)s and redemption_id = %(redemption_id)s;

-- name: list_overdue
-- Over at an instant, their points still held.
select d.brand_id, d.redemption_id from loyalty_redemptions d
where d.is_held and d.reserved_until <= %(now)s
order by d.reserved_until, d.redemption_id limit %(limit)s;

-- name: list_overdue_of
select d.redemption_id, d.hold_id from loyalty_redemptions d
where d.brand_id = %(brand_id)s and d.member_id = any(%(member_ids)b::bigint[])
    and d.is_held and d.state = 'expired'
order by d.redemption_id;

-- name: ensure_event
insert into loyalty_events (brand_id, programme, event) values (%(brand_id)s, %(programme)s, %(event)s)
on conflict do nothing;

-- name: lock_event
-- Until commit. Whoever takes a place or leaves one has this lock.
select e.event_id, e.registered_count, e.waiting_count from loyalty_events e
where e.brand_id = %(brand_id)s and e.programme = %(programme)s and e.event = %(event)s
for update;

-- name: list_places
select r.member_id, r.state from loyalty_registrations r
where r.brand_id = %(brand_id)s and r.member_id = any(%(member_ids)b::bigint[]) and r.event_id = %(event_id)s;

-- name: put_place
with numbered as (
    update loyalty_events set last_place = last_place + 1,
        registered_count = registered_count + case when %(state)s = 'registered' then 1 else 0 end,
        waiting_count = waiting_count + case when %(state)s = 'waiting' then 1 else 0 end
    where brand_id = %(brand_id)s and event_id = %(event_id)s
    returning last_place
)
insert into loyalty_registrations (brand_id, member_id, event_id, place, state, at)
select %(brand_id)s, %(member_id)s, %(event_id)s, n.last_place, %(state)s, %(now)s from numbered n
on conflict (brand_id, member_id, event_id)
do update set place = excluded.place, state = excluded.state, at = excluded.at;

-- name: cancel_places
with gone as (
    update loyalty_registrations r set state = 'cancelled', at = %(now)s
    from (
        select o.member_id, o.state from loyalty_registrations o
        where o.brand_id = %(brand_id)s and o.member_id = any(%(member_ids)b::bigint[]) and o.event_id = %(event_id)s
            and o.state <> 'cancelled'
    ) before
    where r.brand_id = %(brand_id)s and r.member_id = before.member_id and r.event_id = %(event_id)s
    returning before.state
)
update loyalty_events
set registered_count = registered_count - (select count(*) from gone g where g.state = 'registered'),
    waiting_count = waiting_count - (select count(*) from gone g where g.state = 'waiting')
where brand_id = %(brand_id)s and event_id = %(event_id)s;

-- name: move_up
-- Whoever waited longest.
with moved as (
    update loyalty_registrations r set state = 'registered', at = %(now)s
    from (
        select w.member_id from loyalty_registrations w
        where w.brand_id = %(brand_id)s and w.event_id = %(event_id)s and w.state = 'waiting'
        order by w.place limit %(count)s
    ) first
    where r.brand_id = %(brand_id)s and r.member_id = first.member_id and r.event_id = %(event_id)s
    returning r.member_id
)
update loyalty_events
set registered_count = registered_count + (select count(*) from moved),
    waiting_count = waiting_count - (select count(*) from moved)
where brand_id = %(brand_id)s and event_id = %(event_id)s;

-- name: list_waited_for
select e.brand_id, e.programme, e.event from loyalty_events e
where e.waiting_count > 0
order by e.brand_id, e.event_id limit %(limit)s;

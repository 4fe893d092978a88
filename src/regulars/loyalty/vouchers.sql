-- Vouchers, what partners know, scores. One query, one function of the same name in store/vouchers.py and store/scores.py.

-- name: list_identifiers
-- A browser is no person: whoever uses it next is another.
select a.kind, a.lookup, a.value_sealed from facts.addresses a
where a.brand_id = %(brand_id)s and a.member_id = %(member_id)s and a.kind <> 'anonymous_id'
order by a.kind, a.lookup;

-- name: find_standing
-- What the fold said last of the member.
select m.level_name, m.badges from loyalty_members m
where m.brand_id = %(brand_id)s and m.programme = %(programme)s and m.member_id = %(member_id)s;

-- name: ensure_pool
insert into loyalty_pools (brand_id, programme, pool) values (%(brand_id)s, %(programme)s, %(pool)s) on conflict do nothing;

-- name: lock_pool
-- Until commit. Whoever changes a voucher of the pool, or adds one, has this lock.
select p.pool_id, p.issued_count, p.discounted, p.codes_version, p.codes_read from loyalty_pools p
where p.brand_id = %(brand_id)s and p.programme = %(programme)s and p.pool = %(pool)s
for update;

-- name: find_pool
-- As of an instant: what reservations that were over then took is free.
select p.pool_id, p.issued_count - coalesce(o.uses, 0), p.discounted - coalesce(o.discounts, 0),
    p.codes_version, p.codes_read
from loyalty_pools p
left join lateral (
    select count(*) filter (where v.by_use) as uses, sum(v.discount) as discounts from loyalty_vouchers v
    where v.brand_id = p.brand_id and v.pool_id = p.pool_id and v.state = 'reserved' and v.reserved_until <= %(now)s
) o on true
where p.brand_id = %(brand_id)s and p.programme = %(programme)s and p.pool = %(pool)s;

-- name: count_pool
update loyalty_pools set issued_count = issued_count + %(issued)s, discounted = discounted + %(discounted)s
where brand_id = %(brand_id)s and pool_id = %(pool_id)s;

-- name: note_codes_read
update loyalty_pools set codes_version = %(version)s, codes_read = %(codes_read)s
where brand_id = %(brand_id)s and pool_id = %(pool_id)s;

-- name: list_taken_codes
select v.code from loyalty_vouchers v
where v.brand_id = %(brand_id)s and not v.is_generic and v.code = any(%(codes)b::text[]);

-- name: count_held
-- Of a pool: the vouchers of these members, and those that were given under one of these identifiers.
select count(*) from (
    select v.voucher_id from loyalty_vouchers v
    where v.brand_id = %(brand_id)s and v.member_id = any(%(member_ids)b::bigint[]) and v.pool_id = %(pool_id)s
        and not (v.by_use and v.state = 'reserved' and v.reserved_until <= %(now)s)
    union
    select v.voucher_id
    from loyalty_claims c
    join loyalty_vouchers v
        on v.brand_id = c.brand_id and v.member_id = c.member_id and v.voucher_id = c.voucher_id
    where c.brand_id = %(brand_id)s and c.pool_id = %(pool_id)s and c.digest = any(%(digests)b::bytea[])
        and not (v.by_use and v.state = 'reserved' and v.reserved_until <= %(now)s)
) held;

-- name: insert_voucher
-- Nothing where the code, or what brought it about, is there already.
insert into loyalty_vouchers (brand_id, member_id, pool_id, code, is_generic, by_use, cause, issued_at, valid_until)
values (
    %(brand_id)s, %(member_id)s, %(pool_id)s, %(code)s, %(is_generic)s, %(by_use)s, %(cause)s, %(now)s, %(valid_until)s
)
on conflict do nothing
returning voucher_id;

-- name: insert_claims
insert into loyalty_claims (brand_id, pool_id, digest, voucher_id, member_id)
select %(brand_id)s, %(pool_id)s, d.digest, %(voucher_id)s, %(member_id)s from unnest(%(digests)b::bytea[]) as d (digest)
on conflict do nothing;

-- name: find_caused
select v.voucher_id from loyalty_vouchers v
where v.brand_id = %(brand_id)s and v.member_id = any(%(member_ids)b::bigint[]) and v.cause = %(cause)s
order by v.voucher_id limit 1;

-- name: list_codes
-- Vouchers whose code is theirs alone.
select v.voucher_id, v.member_id, v.code, v.is_generic, v.by_use, v.state, v.valid_until, v.reserved_until, v.order_id,
    v.amount, v.discount, p.programme, p.pool, p.pool_id
from loyalty_vouchers v join loyalty_pools p on p.brand_id = v.brand_id and p.pool_id = v.pool_id
where v.brand_id = %(brand_id)s and not v.is_generic and v.code = any(%(codes)b::text[])
order by v.code;

-- name: list_vouchers
-- Of these members, the newest first; of one code, where it is said.
select v.voucher_id, v.member_id, v.code, v.is_generic, v.by_use, v.state, v.valid_until, v.reserved_until, v.order_id,
    v.amount, v.discount, p.programme, p.pool, p.pool_id
from loyalty_vouchers v join loyalty_pools p on p.brand_id = v.brand_id and p.pool_id = v.pool_id
where v.brand_id = %(brand_id)s and v.member_id = any(%(member_ids)b::bigint[])
    and (%(code)s::text is null or (v.is_generic and v.code = %(code)s))
    and not (v.by_use and v.state = 'reserved' and v.reserved_until <= %(now)s)
order by v.issued_at desc, v.voucher_id desc limit %(limit)s;

-- name: find_voucher
select v.voucher_id, v.member_id, v.code, v.is_generic, v.by_use, v.state, v.valid_until, v.reserved_until, v.order_id,
    v.amount, v.discount, p.programme, p.pool, p.pool_id
from loyalty_vouchers v join loyalty_pools p on p.brand_id = v.brand_id and p.pool_id = v.pool_id
where v.brand_id = %(brand_id)s and v.member_id = any(%(member_ids)b::bigint[]) and v.voucher_id = %(voucher_id)s;

-- name: reserve_voucher
update loyalty_vouchers
set state = 'reserved', reserved_until = %(until)s, order_id = %(order_id)s, amount = %(amount)s, discount = %(discount)s
where brand_id = %(brand_id)s and member_id = %(member_id)s and voucher_id = %(voucher_id)s;

-- name: use_voucher
update loyalty_vouchers set state = 'used', used_at = %(now)s
where brand_id = %(brand_id)s and member_id = %(member_id)s and voucher_id = %(voucher_id)s;

-- name: free_vouchers
-- Reservations of a pool that are over at an instant, or the one of a voucher. How many there were, and their discounts.
with freed as (
    update loyalty_vouchers v set state = 'issued', reserved_until = null, order_id = null, amount = null, discount = null
    from (
        select o.member_id, o.voucher_id, o.discount from loyalty_vouchers o
        where o.brand_id = %(brand_id)s and o.pool_id = %(pool_id)s and o.state = 'reserved'
            and (o.reserved_until <= %(now)s or o.voucher_id = %(voucher_id)s)
    ) before
    where v.brand_id = %(brand_id)s and v.member_id = before.member_id and v.voucher_id = before.voucher_id
    returning v.voucher_id, before.discount
)
select count(*), coalesce(sum(f.discount), 0) from freed f;

-- name: delete_unused
-- Generic codes that nobody issued and nobody reserves any more. How many there were.
with gone as (
    delete from loyalty_vouchers v
    where v.brand_id = %(brand_id)s and v.pool_id = %(pool_id)s and v.by_use and v.state = 'issued'
    returning v.voucher_id
), unclaimed as (
    delete from loyalty_claims c using gone g
    where c.brand_id = %(brand_id)s and c.pool_id = %(pool_id)s and c.voucher_id = g.voucher_id
)
select count(*) from gone;

-- name: list_overdue_pools
select distinct v.brand_id, p.programme, p.pool
from loyalty_vouchers v join loyalty_pools p on p.brand_id = v.brand_id and p.pool_id = v.pool_id
where v.state = 'reserved' and v.reserved_until <= %(now)s
order by v.brand_id, p.programme, p.pool limit %(limit)s;

-- name: lock_partner
-- Until commit; made where it is new.
insert into loyalty_partners (brand_id, partner, customer_count, told_at)
values (%(brand_id)s, %(partner)s, 0, %(now)s)
on conflict (brand_id, partner) do update set told_at = excluded.told_at;

-- name: delete_customers
delete from loyalty_customers where brand_id = %(brand_id)s and partner = %(partner)s;

-- name: insert_customers
with added as (
    insert into loyalty_customers (brand_id, partner, digest)
    select %(brand_id)s, %(partner)s, d.digest from unnest(%(digests)b::bytea[]) as d (digest)
    on conflict do nothing
    returning digest
)
update loyalty_partners
set customer_count = case when %(replace)s then 0 else customer_count end + (select count(*) from added)
where brand_id = %(brand_id)s and partner = %(partner)s
returning customer_count;

-- name: find_known
-- Nothing where the partner never said whom it knows; else whether it knows one of these.
select exists (
    select from loyalty_customers c
    where c.brand_id = p.brand_id and c.partner = p.partner and c.digest = any(%(digests)b::bytea[])
)
from loyalty_partners p where p.brand_id = %(brand_id)s and p.partner = %(partner)s;

-- name: insert_score
-- Nothing where the id, or one of the member's day, is there already; one that is being taken meanwhile is waited for.
insert into loyalty_scores (brand_id, programme, score, id, member_id, day, reached, at)
values (%(brand_id)s, %(programme)s, %(score)s, %(id)s, %(member_id)s, %(day)s, %(reached)s, %(now)s)
on conflict do nothing
returning id;

-- name: note_prize
update loyalty_scores set voucher_id = %(voucher_id)s, refused = %(refused)s
where brand_id = %(brand_id)s and programme = %(programme)s and score = %(score)s and id = %(id)s;

-- name: find_score
select s.member_id, s.reached, s.voucher_id, s.refused from loyalty_scores s
where s.brand_id = %(brand_id)s and s.programme = %(programme)s and s.score = %(score)s and s.id = %(id)s;

-- name: find_score_of_day
select s.id from loyalty_scores s
where s.brand_id = %(brand_id)s and s.programme = %(programme)s and s.score = %(score)s
    and s.member_id = any(%(member_ids)b::bigint[]) and s.day = %(day)s
limit 1;

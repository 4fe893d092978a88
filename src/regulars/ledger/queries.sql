-- Named queries of the ledger. One query, one function of the same name in store.py.

-- name: put_asset
-- What an asset is worth and who paid for it stays: entries were made in it. `licensed` is the operator's word and may change.
insert into ledger_assets (brand_id, code, scale, funded, is_licensed)
values (%(brand_id)s, %(code)s, %(scale)s, %(funded)s, %(is_licensed)s)
on conflict (brand_id, code) do update set is_licensed = excluded.is_licensed
where ledger_assets.scale = excluded.scale and ledger_assets.funded = excluded.funded
returning code;

-- name: ensure_assets
insert into ledger_assets (brand_id, code, funded)
select %(brand_id)s, code, 'granted' from unnest(%(codes)b::text[]) code order by code
on conflict (brand_id, code) do nothing;

-- name: list_assets
select code, scale, funded, is_licensed from ledger_assets where brand_id = %(brand_id)s order by code;

-- name: find_assets
select code, asset_id from ledger_assets where brand_id = %(brand_id)s and code = any(%(codes)b::text[]);

-- name: find_accounts
select name, account_id from ledger_accounts where brand_id = %(brand_id)s and name = any(%(names)b::text[]);

-- name: open_accounts
insert into ledger_accounts (brand_id, asset_id, name, keeps)
select %(brand_id)s, asset_id, name, keeps
from unnest(%(asset_ids)b::int[], %(names)b::text[], %(keeps)b::text[]) as a (asset_id, name, keeps)
order by name
on conflict (brand_id, name) do nothing;

-- name: post
select result, code, limit_name, is_held from ledger_post(
    %(brand_id)s, %(at)s, %(ids)b::uuid[], %(kinds)b::text[], %(hashes)b::bytea[], %(bodies)b::bytea[],
    %(line_counts)b::int[], %(accounts)b::bigint[], %(amounts)b::bigint[],
    %(usable_at)b::timestamptz[], %(expires_at)b::timestamptz[], %(funders)b::text[],
    p_effective_at => %(effective_at)b::timestamptz[]
) order by place;

-- name: hold
select result, code, limit_name from ledger_hold(
    %(brand_id)s, %(id)s, %(hash)b, %(body)b, %(account_id)s, %(to_account_id)s, %(amount)s::bigint, %(expires_at)s
);

-- name: end_hold
select result, code, state, captured, transfer from ledger_end_hold(
    %(brand_id)s, %(id)s, %(amount)s::bigint, %(transfer_id)s, %(hash)b, %(body)b
);

-- name: find_hold
select h.state, a.name, o.name, h.amount_minor, h.captured_minor, h.expires_at
from ledger_holds h
join ledger_accounts a on a.account_id = h.account_id join ledger_accounts o on o.account_id = h.to_account_id
where h.brand_id = %(brand_id)s and h.id = %(id)s;

-- name: reverse
select result, code, reversed from ledger_reverse(
    %(brand_id)s, %(original_id)s, %(id)s, %(amount)s::bigint, %(policy)s, %(hash)b, %(body)b
);

-- name: find_account
-- An account without a row of its own balance is the sum of its entries.
select a.account_id, a.keeps,
    case when a.keeps = 'entries' then coalesce(e.total, 0) else a.posted_minor end,
    a.held_minor,
    case a.keeps
        when 'entries' then coalesce(e.total, 0)
        when 'balance' then least(a.posted_minor - a.held_minor::numeric - a.floor_minor, 9223372036854775807)::bigint
        else least(greatest(
            ledger_count_free(a.account_id, %(now)s)::numeric - a.debt_minor - a.floor_minor, 0
        ), 9223372036854775807)::bigint
    end,
    case when a.keeps = 'entries' then coalesce(e.entries, 0) else a.version end,
    a.is_closed, a.floor_minor, a.cap_minor, a.knowledge
from ledger_accounts a
left join lateral (
    select sum(amount_minor) as total, count(*) as entries from ledger_entries
    where account_id = a.account_id and a.keeps = 'entries'
) e on true
where a.brand_id = %(brand_id)s and a.name = %(name)s;

-- name: list_entries
select e.transfer_no, e.version, e.amount_minor, e.balance_after_minor, t.id, t.kind, t.effective_at, o.id,
    coalesce((
        select json_agg(json_build_object('lot', x.lot_id, 'amount', x.amount::text, 'expires_at', to_char(x.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'funder', x.funder)
            order by x.expires_at, x.lot_id)
        from (
            select l.lot_id, -u.amount_minor as amount, nullif(l.expires_at, 'infinity') as expires_at, l.funder
            from ledger_lot_uses u join ledger_lots l using (lot_id)
            where u.transfer_no = e.transfer_no and l.account_id = e.account_id
            union all
            select l.lot_id, l.issued_minor, nullif(l.expires_at, 'infinity'), l.funder
            from ledger_lots l where l.transfer_no = e.transfer_no and l.account_id = e.account_id
        ) x
    ), '[]')
from ledger_entries e join ledger_transfers t using (transfer_no)
left join ledger_transfers o on o.transfer_no = t.reverses_no
where e.account_id = %(account_id)s and e.transfer_no < %(before)s
order by e.transfer_no desc limit %(limit)s;

-- name: list_findings
select finding, what, detail from ledger_findings where brand_id = %(brand_id)s order by finding, what, detail limit %(limit)s;

-- name: list_liability
-- What is outstanding, by when it expires and who paid for it. The month is the brand's; null: never.
select s.code, case when l.expires_at = 'infinity' then null else to_char(l.expires_at at time zone %(zone)s, 'YYYY-MM') end as month,
    l.funder, sum(l.remaining_minor), count(distinct l.account_id)
from ledger_lots l join ledger_accounts a using (account_id) join ledger_assets s using (asset_id)
where a.brand_id = %(brand_id)s and l.is_open
group by 1, 2, 3 order by 1, 2 nulls last, 3 nulls first;

-- name: list_postings
-- Everything, in the order in which it was posted; whole transfers.
select t.transfer_no, t.id, t.kind, t.effective_at, a.name, e.amount_minor, s.scale
from (
    select * from ledger_transfers
    where brand_id = %(brand_id)s and transfer_no > %(after)s
    order by transfer_no limit %(limit)s
) t
join ledger_entries e using (transfer_no) join ledger_accounts a using (account_id) join ledger_assets s using (asset_id)
order by t.transfer_no, e.line;

-- name: expire_lots
select ledger_expire_lots(%(brand_id)s, %(at)s, %(count_max)s);

-- name: expire_holds
select ledger_expire_holds(%(count_max)s);

-- name: list_brands
select distinct brand_id from ledger_assets order by brand_id;

-- name: lock_accounts
-- In the order in which everybody locks them.
select a.account_id from ledger_accounts a where a.account_id = any(%(account_ids)b::bigint[]) and a.keeps <> 'entries'
order by a.account_id for no key update;

-- name: redate
select ledger_redate(%(brand_id)s, %(transfer_ids)b::uuid[], %(expires_at)s);

-- name: list_available
-- As find_account says of one.
select a.name, least(greatest(
    ledger_count_free(a.account_id, %(now)s)::numeric - a.debt_minor - a.floor_minor, 0
), 9223372036854775807)::bigint
from ledger_accounts a
where a.brand_id = %(brand_id)s and a.name = any(%(names)s::text[]) and a.keeps = 'lots';

-- name: list_expiring
select a.name, l.expires_at, sum(l.remaining_minor)
from ledger_accounts a join ledger_lots l using (account_id)
where a.brand_id = %(brand_id)s and a.name = any(%(names)s::text[])
    and l.is_open and l.expires_at < 'infinity' and l.expires_at > %(now)s
group by a.name, l.expires_at order by l.expires_at, a.name;

-- name: sum_posted
-- What accounts with lots received (positive) and gave, by asset and kind of transfer; reversals by what they undid.
select s.code, t.kind, coalesce(r.kind, ''), sum(e.amount_minor)::bigint
from ledger_entries e join ledger_accounts a using (account_id) join ledger_assets s using (asset_id)
join ledger_transfers t using (transfer_no)
left join ledger_transfers r on r.transfer_no = t.reverses_no
where a.brand_id = %(brand_id)s and a.keeps = 'lots'
group by s.code, t.kind, coalesce(r.kind, '') order by 1, 2, 3;

-- name: put_terms
-- What is null stays, but a cap that is taken away; no row: the cap would be below the floor.
update ledger_accounts a set
    floor_minor = coalesce(%(floor)s::bigint, a.floor_minor),
    cap_minor = case when %(is_uncapped)s then null else coalesce(%(cap)s::bigint, a.cap_minor) end,
    is_closed = coalesce(%(is_closed)s::boolean, a.is_closed),
    knowledge = coalesce(%(knowledge)s::text, a.knowledge)
where a.account_id = %(account_id)s and (%(is_uncapped)s
    or coalesce(%(cap)s::bigint, a.cap_minor, 9223372036854775807) >= coalesce(%(floor)s::bigint, a.floor_minor))
returning a.account_id;

-- name: put_limit
insert into ledger_limits (
    brand_id, asset_id, name, direction, window_seconds, amount_max_minor, count_max, is_of_new_payees, knowledge, outcome
)
select s.brand_id, s.asset_id, %(name)s, %(direction)s, %(window_seconds)s::int, %(amount_max)s::bigint, %(count_max)s::int,
    %(is_of_new_payees)s, %(knowledge)s::text, %(outcome)s
from ledger_assets s where s.brand_id = %(brand_id)s and s.code = %(asset)s
on conflict (brand_id, name) do update set
    asset_id = excluded.asset_id, direction = excluded.direction, window_seconds = excluded.window_seconds,
    amount_max_minor = excluded.amount_max_minor, count_max = excluded.count_max,
    is_of_new_payees = excluded.is_of_new_payees, knowledge = excluded.knowledge, outcome = excluded.outcome
returning name;

-- name: find_limit
select l.name, s.code, l.direction, l.window_seconds, l.amount_max_minor, l.count_max, l.is_of_new_payees, l.knowledge, l.outcome
from ledger_limits l join ledger_assets s using (asset_id)
where l.brand_id = %(brand_id)s and l.name = %(name)s;

-- name: list_limits
select l.name, s.code, l.direction, l.window_seconds, l.amount_max_minor, l.count_max, l.is_of_new_payees, l.knowledge, l.outcome
from ledger_limits l join ledger_assets s using (asset_id)
where l.brand_id = %(brand_id)s and l.name > %(after)s
order by l.name limit %(limit)s;

-- name: delete_limit
delete from ledger_limits where brand_id = %(brand_id)s and name = %(name)s returning name;

-- name: list_holds
-- Those that are open, newest first.
select h.hold_no, h.id, a.name, o.name, h.amount_minor, h.created_at, h.expires_at, h.limit_name
from ledger_holds h
join ledger_accounts a on a.account_id = h.account_id join ledger_accounts o on o.account_id = h.to_account_id
where h.brand_id = %(brand_id)s and h.state = 'open' and h.expires_at > %(now)s and h.hold_no < %(before)s
    and (h.limit_name is not null or not %(is_reviewed)s)
order by h.hold_no desc limit %(limit)s;

-- Double entry: assets, accounts, transfers of balanced entries, lots, holds, limits, and the functions that alone write them.
--
-- Amounts are minor units with a sign: what an account receives is positive. A balance is the sum of its entries, an asset's
-- balances sum to zero. Which accounts have a row that is kept (and locked) and which are their entries alone is `keeps`.

create table ledger_assets (
    brand_id int not null references access_brands,
    asset_id int generated always as identity unique,
    code text collate "C" not null check (code ~ '^[a-z]([a-z0-9_-]{0,38}[a-z0-9])?$'),
    scale smallint not null default 0 check (scale between 0 and 8),
    funded text not null check (funded in ('granted', 'purchased')),
    is_licensed boolean not null default false,
    primary key (brand_id, asset_id),
    unique (brand_id, code)
);

create table ledger_accounts (
    account_id bigint generated always as identity primary key,
    brand_id int not null,
    asset_id int not null references ledger_assets (asset_id),
    name text collate "C" not null,
    keeps text collate "C" not null check (keeps in ('entries', 'balance', 'lots')),
    floor_minor bigint not null default 0,
    cap_minor bigint,
    posted_minor bigint not null default 0,
    held_minor bigint not null default 0 check (held_minor >= 0),
    debt_minor bigint not null default 0 check (debt_minor >= 0),
    version bigint not null default 0,
    is_closed boolean not null default false,
    knowledge text collate "C" not null default 'none',
    unique (brand_id, name),
    check (keeps <> 'entries' or (posted_minor = 0 and held_minor = 0 and version = 0))
) with (fillfactor = 70);
comment on column ledger_accounts.knowledge is 'what is known of the holder, in the brand''s own words: limits ask for it';
comment on column ledger_accounts.debt_minor is 'what was clawed back beyond the lots: the next credits pay it';

create table ledger_transfers (
    brand_id int not null,
    is_counted boolean not null,
    transfer_no bigint generated always as identity,
    reverses_no bigint,
    effective_at timestamptz not null,
    posted_at timestamptz not null,
    id uuid not null,
    kind text collate "C" not null check (char_length(kind) between 1 and 40),
    body_hash bytea not null,
    body bytea not null,
    primary key (brand_id, id)
);
create unique index ledger_transfers_no on ledger_transfers (transfer_no);
create index ledger_transfers_reversed on ledger_transfers (reverses_no) where reverses_no is not null;
comment on column ledger_transfers.is_counted is 'by limits: what is taken back or expires is nothing that a holder moved';
comment on column ledger_transfers.body is 'what was asked, kept byte for byte; body_hash is its SHA-256';

-- No foreign keys: each would lock a row of a hot account at every insert. `ledger check` looks for what they would refuse.
create table ledger_entries (
    account_id bigint not null,
    transfer_no bigint not null,
    amount_minor bigint not null check (amount_minor <> 0),
    version bigint,
    balance_after_minor bigint,
    line smallint not null,
    primary key (account_id, transfer_no)
);
create index ledger_entries_transfer on ledger_entries (transfer_no);

create table ledger_lots (
    lot_id bigint generated always as identity primary key,
    account_id bigint not null,
    transfer_no bigint not null,
    issued_minor bigint not null check (issued_minor > 0),
    remaining_minor bigint not null,
    held_minor bigint not null default 0,
    usable_at timestamptz not null,
    expires_at timestamptz not null,
    is_open boolean generated always as (remaining_minor > 0) stored,
    funder text collate "C",
    check (held_minor >= 0 and held_minor <= remaining_minor and remaining_minor <= issued_minor)
) with (fillfactor = 80);
create index ledger_lots_open on ledger_lots (account_id, expires_at, lot_id) where is_open;
create index ledger_lots_due on ledger_lots (expires_at) where is_open and expires_at < 'infinity';

create table ledger_lot_uses (
    transfer_no bigint not null,
    lot_id bigint not null,
    amount_minor bigint not null check (amount_minor <> 0),
    primary key (transfer_no, lot_id)
);
comment on column ledger_lot_uses.amount_minor is 'drawn from the lot; negative: given back to it';

create table ledger_holds (
    brand_id int not null,
    id uuid not null,
    hold_no bigint generated always as identity unique,
    account_id bigint not null,
    to_account_id bigint not null,
    amount_minor bigint not null check (amount_minor > 0),
    captured_minor bigint not null default 0,
    state text collate "C" not null default 'open' check (state in ('open', 'captured', 'voided', 'expired')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    body_hash bytea not null,
    body bytea not null,
    limit_name text collate "C",
    primary key (brand_id, id),
    check (captured_minor between 0 and amount_minor)
) with (fillfactor = 80);
create index ledger_holds_due on ledger_holds (expires_at) where state = 'open';
create index ledger_holds_out on ledger_holds (account_id) where state = 'open';
create index ledger_holds_in on ledger_holds (to_account_id) where state = 'open';
create index ledger_holds_reviewed on ledger_holds (brand_id) where state = 'open' and limit_name is not null;
comment on column ledger_holds.limit_name is 'for whose sake a transfer waits for a review: id and body are then the transfer''s';

create table ledger_hold_lots (
    hold_no bigint not null,
    lot_id bigint not null,
    amount_minor bigint not null check (amount_minor > 0),
    primary key (hold_no, lot_id)
);

create table ledger_limits (
    brand_id int not null,
    asset_id int not null references ledger_assets (asset_id),
    name text collate "C" not null,
    direction text collate "C" not null check (direction in ('in', 'out')),
    window_seconds int check (window_seconds > 0),
    amount_max_minor bigint check (amount_max_minor >= 0),
    count_max int check (count_max >= 0),
    is_of_new_payees boolean not null,
    knowledge text collate "C",
    outcome text collate "C" not null check (outcome in ('refuse', 'step_up', 'review')),
    primary key (brand_id, name),
    check (amount_max_minor is not null or count_max is not null),
    check (window_seconds is not null or count_max is null)
);
comment on table ledger_limits is 'what each member''s account may give or receive; none is there until it is put';
comment on column ledger_limits.window_seconds is 'null: each transfer by itself';
comment on column ledger_limits.knowledge is 'of accounts with this alone; null: of all';

-- --- what is written is never written again -----------------------------------------------------------------------------

create function ledger_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: a mistake is mended by a reversal', tg_table_name using errcode = '42501';
end $$;

create trigger ledger_transfers_stay before update or delete or truncate on ledger_transfers
    for each statement execute function ledger_refuse_change();
create trigger ledger_entries_stay before update or delete or truncate on ledger_entries
    for each statement execute function ledger_refuse_change();
create trigger ledger_lot_uses_stay before update or delete or truncate on ledger_lot_uses
    for each statement execute function ledger_refuse_change();

-- A transfer balances in each asset: looked at when its transaction ends, at its first line.
create function ledger_check_balanced() returns trigger language plpgsql as $$
begin
    if exists (
        select from ledger_entries e join ledger_accounts a using (account_id)
        where e.transfer_no = new.transfer_no
        group by a.asset_id having sum(e.amount_minor) <> 0
    ) then
        raise exception 'transfer % does not balance', new.transfer_no using errcode = '23514';
    end if;
    return null;
end $$;

create constraint trigger ledger_entries_balance after insert on ledger_entries
    deferrable initially deferred for each row when (new.line = 0) execute function ledger_check_balanced();

-- --- posting -------------------------------------------------------------------------------------------------------------

-- The members with whom an account dealt in a direction (sign of its own amount), and in which transfer first.
create function ledger_list_known(p_account_id bigint, p_sign int) returns table (account_id bigint, first_no bigint)
language sql stable as $$
    select o.account_id, min(o.transfer_no)
    from ledger_entries m join ledger_entries o using (transfer_no) join ledger_accounts a on a.account_id = o.account_id
    where m.account_id = p_account_id and sign(m.amount_minor) = p_sign and sign(o.amount_minor) = -p_sign
        and a.name like 'member:%'
    group by o.account_id
$$;

-- The amounts that an account moved in a direction since a moment (null: none), and those that are held, until they are freed.
-- The newest lines are looked at alone: of an account that is locked to be written, they are in the order of time.
create function ledger_list_moved(
    p_account_id bigint, p_sign int, p_since timestamptz, p_clock timestamptz, p_is_of_new_payees boolean
) returns table (amount_minor bigint) language sql stable as $$
    select abs(e.amount_minor) from ledger_entries e join ledger_transfers t using (transfer_no)
    where p_since is not null and e.account_id = p_account_id and sign(e.amount_minor) = p_sign and t.is_counted
        and e.transfer_no > coalesce((
            select b.transfer_no from ledger_entries b join ledger_transfers x using (transfer_no)
            where b.account_id = p_account_id and x.posted_at <= p_since order by b.transfer_no desc limit 1
        ), 0)
        and (not p_is_of_new_payees
            or e.transfer_no in (select k.first_no from ledger_list_known(p_account_id, p_sign) k))
    union all
    select h.amount_minor
    from ledger_holds h
    join ledger_accounts o on o.account_id = case when p_sign < 0 then h.to_account_id else h.account_id end
    where p_since is not null and h.state = 'open' and h.expires_at > p_clock
        and (p_sign < 0 and h.account_id = p_account_id or p_sign > 0 and h.to_account_id = p_account_id)
        and (not p_is_of_new_payees or o.name like 'member:%'
            and o.account_id not in (select k.account_id from ledger_list_known(p_account_id, p_sign) k))
$$;

-- The strictest limit that a transfer's lines would pass, with their accounts locked; no row: none.
create function ledger_find_breach(p_accounts bigint[], p_amounts bigint[], p_clock timestamptz)
returns table (code text, limit_name text) language sql stable as $$
    select case l.outcome when 'refuse' then 'limit.exceeded' else 'limit.' || l.outcome end, l.name
    from unnest(p_accounts, p_amounts) line (account_id, amount)
    join ledger_accounts a on a.account_id = line.account_id and a.name like 'member:%'
    join ledger_limits l on l.brand_id = a.brand_id and l.asset_id = a.asset_id
        and l.direction = case when line.amount < 0 then 'out' else 'in' end
        and (l.knowledge is null or l.knowledge = a.knowledge)
        and (not l.is_of_new_payees or exists (
            select from unnest(p_accounts, p_amounts) other (account_id, amount) join ledger_accounts o using (account_id)
            where sign(other.amount) = -sign(line.amount) and o.name like 'member:%' and o.account_id not in (
                select k.account_id from ledger_list_known(line.account_id, sign(line.amount)::int) k
            )
        ))
    cross join lateral (
        select coalesce(sum(m.amount_minor), 0) + abs(line.amount) as amount_minor, count(*) + 1 as count
        from ledger_list_moved(
            line.account_id, sign(line.amount)::int, p_clock - make_interval(secs => l.window_seconds), p_clock,
            l.is_of_new_payees
        ) m
    ) seen
    where seen.amount_minor > l.amount_max_minor or seen.count > l.count_max
    order by array_position('{refuse,step_up,review}', l.outcome), l.name
    limit 1
$$;

-- What an account could spend at a moment: of its lots what is usable, neither expired nor held.
create function ledger_count_free(p_account_id bigint, p_moment timestamptz) returns bigint
language sql stable as $$
    select coalesce(sum(remaining_minor - held_minor), 0)::bigint from ledger_lots
    where account_id = p_account_id and is_open and usable_at <= p_moment and expires_at > p_moment
$$;

-- What was drawn of lots and is to be handed on.
create type ledger_draw as (asset_id int, amount bigint, usable_at timestamptz, expires_at timestamptz, funder text);

-- Why a transfer's lines cannot be posted (or held: what an account may owe cannot), with their accounts locked; null: they
-- can, as far as no limit stands against it.
create function ledger_find_refusal(
    p_accounts bigint[], p_amounts bigint[], p_moment timestamptz, p_is_explicit boolean, p_is_hold boolean
) returns text language plpgsql as $$
declare
    account ledger_accounts;
    code text;
    gives int[] := '{}';
    takes int[] := '{}';
begin
    for i in 1 .. cardinality(p_accounts) loop
        select * into account from ledger_accounts where account_id = p_accounts[i];
        if p_is_hold then
            account.floor_minor := greatest(account.floor_minor, 0);
        end if;
        code := case
            when account.is_closed then 'account.closed'
            when account.keeps = 'entries' then null
            when p_amounts[i] > 0 and account.posted_minor > coalesce(account.cap_minor, 9223372036854775807) - p_amounts[i]
                or p_amounts[i] < 0 and account.posted_minor < -9223372036854775807 - p_amounts[i] then 'balance.over_cap'
            when p_is_explicit or p_amounts[i] > 0 then null
            when account.keeps = 'balance'
                and account.posted_minor - account.held_minor + p_amounts[i] < account.floor_minor
                then 'balance.insufficient'
            when account.keeps = 'lots'
                and ledger_count_free(account.account_id, p_moment) - account.debt_minor + p_amounts[i] < account.floor_minor
                then 'balance.insufficient'
        end;
        if code is not null then
            return code;
        end if;
        if account.keeps = 'lots' and p_amounts[i] < 0 then
            gives := gives || account.asset_id;
        elsif account.keeps = 'lots' then
            takes := takes || account.asset_id;
        end if;
    end loop;
    if gives && takes and exists (
        select from ledger_assets
        where asset_id = any (gives) and asset_id = any (takes) and funded = 'purchased' and not is_licensed
    ) then
        return 'asset.not_transferable';
    end if;
    return null;
end $$;

-- Draw an amount of an account's lots, what expires soonest first. `moved`: how much; `drawn` grows by what it was.
create function ledger_draw_lots(
    p_transfer_no bigint, p_account ledger_accounts, p_amount bigint, p_moment timestamptz,
    out moved bigint, inout drawn ledger_draw[]
) language plpgsql as $$
declare
    lot ledger_lots;
    take bigint;
begin
    moved := 0;
    for lot in
        select * from ledger_lots
        where account_id = p_account.account_id and is_open and usable_at <= p_moment and expires_at > p_moment
            and remaining_minor > held_minor
        order by expires_at, lot_id
    loop
        take := least(lot.remaining_minor - lot.held_minor, p_amount - moved);
        update ledger_lots set remaining_minor = remaining_minor - take where lot_id = lot.lot_id;
        insert into ledger_lot_uses (transfer_no, lot_id, amount_minor) values (p_transfer_no, lot.lot_id, take);
        moved := moved + take;
        drawn := drawn || row(p_account.asset_id, take, lot.usable_at, lot.expires_at, lot.funder)::ledger_draw;
        exit when moved = p_amount;
    end loop;
end $$;

-- Draw or give back what is listed of an account's lots. `moved`: how much was drawn.
create function ledger_move_lots(
    p_transfer_no bigint, p_account ledger_accounts, p_lot_ids bigint[], p_amounts bigint[],
    out moved bigint, inout drawn ledger_draw[]
) language plpgsql as $$
declare
    lot ledger_lots;
    take bigint;
begin
    moved := 0;
    for i in 1 .. cardinality(p_lot_ids) loop
        take := p_amounts[i];
        update ledger_lots set remaining_minor = remaining_minor - take
        where lot_id = p_lot_ids[i] and account_id = p_account.account_id returning * into lot;
        continue when not found;
        insert into ledger_lot_uses (transfer_no, lot_id, amount_minor) values (p_transfer_no, lot.lot_id, take);
        moved := moved + take;
        if take > 0 then
            drawn := drawn || row(p_account.asset_id, take, lot.usable_at, lot.expires_at, lot.funder)::ledger_draw;
        end if;
    end loop;
end $$;

-- Lots for what an account receives: first what was drawn for it, as it was, then new ones. A debt is paid first: `kept` is
-- what became lots.
create function ledger_add_lots(
    p_transfer_no bigint, p_account ledger_accounts, p_amount bigint,
    p_usable_at timestamptz, p_expires_at timestamptz, p_funder text, out kept bigint, inout drawn ledger_draw[]
) language plpgsql as $$
declare
    rest bigint := p_amount;
    debt bigint := least(p_account.debt_minor, p_amount);
    piece bigint;
    paid bigint;
    handed ledger_draw;
begin
    kept := p_amount - debt;
    for i in 1 .. cardinality(drawn) + 1 loop
        exit when rest = 0;
        if i > cardinality(drawn) then
            handed := row(p_account.asset_id, rest, coalesce(p_usable_at, '-infinity'),
                coalesce(p_expires_at, 'infinity'), p_funder);
        else
            handed := drawn[i];
        end if;
        continue when handed.asset_id <> p_account.asset_id or handed.amount = 0;
        piece := least(handed.amount, rest);
        if i <= cardinality(drawn) then
            drawn[i] := row(handed.asset_id, handed.amount - piece, handed.usable_at, handed.expires_at, handed.funder);
        end if;
        rest := rest - piece;
        paid := least(piece, debt);
        debt := debt - paid;
        if piece > paid then
            insert into ledger_lots
                (account_id, transfer_no, issued_minor, remaining_minor, usable_at, expires_at, funder)
            values (p_account.account_id, p_transfer_no, piece - paid, piece - paid,
                handed.usable_at, handed.expires_at, handed.funder);
        end if;
    end loop;
end $$;

-- Reserve an amount of an account, which is locked and has so much, for another. False: the id is taken.
create function ledger_reserve(
    p_brand_id int, p_id uuid, p_hash bytea, p_body bytea, p_account_id bigint, p_to_account_id bigint, p_amount bigint,
    p_clock timestamptz, p_expires_at timestamptz, p_limit_name text
) returns boolean language plpgsql as $$
declare
    account ledger_accounts;
    added_no bigint;
begin
    insert into ledger_holds
        (brand_id, id, account_id, to_account_id, amount_minor, created_at, expires_at, body_hash, body, limit_name)
    values (p_brand_id, p_id, p_account_id, p_to_account_id, p_amount, p_clock, p_expires_at, p_hash, p_body, p_limit_name)
    on conflict do nothing returning hold_no into added_no;
    if added_no is null then
        return false;
    end if;
    select * into account from ledger_accounts where account_id = p_account_id;
    with free as (
        select lot_id, remaining_minor - held_minor as free,
            sum(remaining_minor - held_minor) over (order by expires_at, lot_id) - (remaining_minor - held_minor) as before
        from ledger_lots
        where account.keeps = 'lots' and account_id = p_account_id and is_open
            and usable_at <= p_clock and expires_at > p_clock
    ), reserved as (
        insert into ledger_hold_lots (hold_no, lot_id, amount_minor)
        select added_no, lot_id, least(free, p_amount - before) from free where before < p_amount and free > 0
        returning lot_id, amount_minor
    )
    update ledger_lots l set held_minor = l.held_minor + r.amount_minor from reserved r where l.lot_id = r.lot_id;
    update ledger_accounts a set held_minor = a.held_minor + p_amount
    where a.account_id = p_account_id and a.keeps <> 'entries';
    return true;
end $$;

-- One batch, in order; each transfer stands alone: `created`, `exists` (same id, same body), `conflict` (same id, another body)
-- or `refused` with its code, which leaves nothing. `p_line_counts` says how many of the lines are each transfer's.
-- A limit's review is a hold with the transfer's id and body (`is_held`), if it has two lines and its account can hold it.
--
-- Debits of accounts with lots draw what expires soonest; credits get what was drawn handed on with its expiry and funder, and
-- new lots for the rest. With `p_is_explicit` the lots listed are drawn (or, by a negative amount, given back to) instead,
-- and no floor is looked at: captures, expiries, reversals, one transfer a call.
create function ledger_post(
    p_brand_id int, p_at timestamptz,
    p_ids uuid[], p_kinds text[], p_hashes bytea[], p_bodies bytea[], p_line_counts int[],
    p_accounts bigint[], p_amounts bigint[], p_usable_at timestamptz[], p_expires_at timestamptz[], p_funders text[],
    p_is_explicit boolean default false, p_reverses_no bigint default null,
    p_lot_ids bigint[] default '{}', p_lot_amounts bigint[] default '{}', p_is_counted boolean default true,
    p_effective_at timestamptz[] default '{}'
) returns table (place int, result text, code text, limit_name text, is_held boolean) language plpgsql as $$
#variable_conflict use_column
declare
    clock timestamptz;
    moment timestamptz;
    has_limits boolean;
    has_reviews boolean;
    first_line int;
    giver int;
    last_line int := 0;
    known bytea;
    new_no bigint;
    account ledger_accounts;
    kept bigint;
    moved bigint;
    drawn ledger_draw[];
begin
    perform 1 from ledger_accounts a where a.account_id = any (p_accounts) and a.keeps <> 'entries'
    order by a.account_id for no key update;
    clock := clock_timestamp();  -- after the locks: while we waited, something may have expired
    moment := least(coalesce(p_at, clock), clock);
    select not p_is_explicit and exists (select 1 from ledger_limits l where l.brand_id = p_brand_id),
        not p_is_explicit and exists (
            select 1 from ledger_holds h
            where h.brand_id = p_brand_id and h.state = 'open' and h.limit_name is not null
        )
    into has_limits, has_reviews;
    for n in 1 .. cardinality(p_ids) loop
        first_line := last_line + 1;
        last_line := last_line + p_line_counts[n];
        place := n;
        code := null;
        limit_name := null;
        is_held := false;
        select t.body_hash into known from ledger_transfers t where t.brand_id = p_brand_id and t.id = p_ids[n];
        if known is null and has_reviews then
            select h.body_hash, h.limit_name into known, limit_name from ledger_holds h
            where h.brand_id = p_brand_id and h.id = p_ids[n] and h.limit_name is not null
                and h.state = 'open' and h.expires_at > clock;
            is_held := coalesce(known = p_hashes[n], false);
        end if;
        if is_held then
            code := 'limit.review';
        elsif known is null then
            code := ledger_find_refusal(
                p_accounts[first_line:last_line], p_amounts[first_line:last_line], moment, p_is_explicit, false
            );
            if code is null and has_limits then
                select b.code, b.limit_name into code, limit_name from ledger_find_breach(
                    p_accounts[first_line:last_line], p_amounts[first_line:last_line], clock
                ) b;
            end if;
            if code = 'limit.review' and p_line_counts[n] = 2 then
                giver := case when p_amounts[first_line] < 0 then first_line else last_line end;
                is_held := ledger_find_refusal(p_accounts[giver:giver], p_amounts[giver:giver], clock, false, true) is null
                    and ledger_reserve(
                        p_brand_id, p_ids[n], p_hashes[n], p_bodies[n],
                        p_accounts[giver], p_accounts[first_line + last_line - giver], -p_amounts[giver],
                        clock, clock + interval '7 days', limit_name
                    );
                has_reviews := has_reviews or is_held;
            end if;
        end if;
        if code is not null then
            result := 'refused';
            return next;
            continue;
        end if;
        new_no := null;
        if known is null then
            insert into ledger_transfers
                (brand_id, is_counted, reverses_no, effective_at, posted_at, id, kind, body_hash, body)
            values (
                p_brand_id, p_is_counted, p_reverses_no, least(coalesce(p_effective_at[n], moment), clock), clock,
                p_ids[n], p_kinds[n], p_hashes[n], p_bodies[n]
            )
            on conflict do nothing returning transfer_no into new_no;
            if not found then  -- another call with other accounts posted it just now
                select t.body_hash into known from ledger_transfers t where t.brand_id = p_brand_id and t.id = p_ids[n];
            end if;
        end if;
        if new_no is null then
            result := case when known = p_hashes[n] then 'exists' else 'conflict' end;
            return next;
            continue;
        end if;
        drawn := '{}';
        -- those that give come first: what they give is handed on
        for turn in 0 .. 1 loop
            for i in first_line .. last_line loop
                continue when (p_amounts[i] > 0) <> (turn = 1);
                select * into account from ledger_accounts a where a.account_id = p_accounts[i];
                kept := 0;
                moved := 0;
                if account.keeps = 'lots' then
                    if p_is_explicit then
                        select * into moved, drawn from ledger_move_lots(new_no, account, p_lot_ids, p_lot_amounts, drawn);
                    elsif turn = 0 then
                        select * into moved, drawn from ledger_draw_lots(new_no, account, -p_amounts[i], moment, drawn);
                    end if;
                    if turn = 1 and p_reverses_no is null then
                        select * into kept, drawn from ledger_add_lots(
                            new_no, account, p_amounts[i], p_usable_at[i], p_expires_at[i], p_funders[i], drawn
                        );
                    end if;
                end if;
                if account.keeps = 'entries' then
                    insert into ledger_entries (account_id, transfer_no, amount_minor, line)
                    values (account.account_id, new_no, p_amounts[i], i - first_line);
                else
                    -- lots = posted + debt, always: what no lot gave is debt, what no lot got has paid it
                    update ledger_accounts a set
                        posted_minor = a.posted_minor + p_amounts[i],
                        version = a.version + 1,
                        debt_minor = case when a.keeps = 'lots' then a.debt_minor + kept - moved - p_amounts[i] else 0 end
                    where a.account_id = account.account_id;
                    insert into ledger_entries (account_id, transfer_no, amount_minor, version, balance_after_minor, line)
                    values (
                        account.account_id, new_no, p_amounts[i], account.version + 1,
                        account.posted_minor + p_amounts[i], i - first_line
                    );
                end if;
            end loop;
        end loop;
        result := 'created';
        return next;
    end loop;
end $$;

-- Planned for its values each of their statements would take longer to plan than to run.
alter function ledger_check_balanced set plan_cache_mode = force_generic_plan;
alter function ledger_find_refusal set plan_cache_mode = force_generic_plan;
alter function ledger_draw_lots set plan_cache_mode = force_generic_plan;
alter function ledger_move_lots set plan_cache_mode = force_generic_plan;
alter function ledger_add_lots set plan_cache_mode = force_generic_plan;
alter function ledger_reserve set plan_cache_mode = force_generic_plan;
alter function ledger_post set plan_cache_mode = force_generic_plan;

-- --- holds ---------------------------------------------------------------------------------------------------------------

-- Reserve an amount of an account, for another. Raises nothing: `created`, `exists`, `conflict`, `refused` with its code.
create function ledger_hold(
    p_brand_id int, p_id uuid, p_hash bytea, p_body bytea,
    p_account_id bigint, p_to_account_id bigint, p_amount bigint, p_expires_at timestamptz,
    out result text, out code text, out limit_name text
) language plpgsql as $$
declare
    known bytea;
    clock timestamptz;
begin
    perform 1 from ledger_accounts where account_id in (p_account_id, p_to_account_id) and keeps <> 'entries'
    order by account_id for no key update;
    clock := clock_timestamp();
    select body_hash into known from ledger_holds where brand_id = p_brand_id and id = p_id;
    if known is null then
        code := case
            when exists (select from ledger_accounts where account_id = p_account_id and keeps = 'entries')
                then 'hold.not_held'
            when p_expires_at <= clock then 'hold.expired'
            else ledger_find_refusal(
                array[p_account_id, p_to_account_id], array[-p_amount, p_amount], clock, false, true
            )
        end;
        if code is null then
            select b.code, b.limit_name into code, limit_name from ledger_find_breach(
                array[p_account_id, p_to_account_id], array[-p_amount, p_amount], clock
            ) b;
        end if;
        if code is not null then
            result := 'refused';
            return;
        end if;
        if ledger_reserve(
            p_brand_id, p_id, p_hash, p_body, p_account_id, p_to_account_id, p_amount, clock, p_expires_at, null
        ) then
            result := 'created';
            return;
        end if;
        select body_hash into known from ledger_holds where brand_id = p_brand_id and id = p_id;
    end if;
    result := case when known = p_hash then 'exists' else 'conflict' end;
end $$;

-- Free what a hold reserved; its account is locked.
create function ledger_release(p_hold_no bigint, p_state text, p_captured bigint default 0) returns void language sql as $$
    update ledger_lots l set held_minor = l.held_minor - h.amount_minor
    from ledger_hold_lots h where h.hold_no = p_hold_no and l.lot_id = h.lot_id;
    update ledger_accounts a set held_minor = a.held_minor - h.amount_minor
    from ledger_holds h where h.hold_no = p_hold_no and a.account_id = h.account_id and a.keeps <> 'entries';
    update ledger_holds set state = p_state, captured_minor = p_captured where hold_no = p_hold_no;
$$;

-- End a hold: take `p_amount` of it (null: all) as a transfer and free the rest, or, with no transfer, free all of it.
-- What waits for a review is taken whole, as the transfer that it is: `transfer` says as which, in any case.
create function ledger_end_hold(
    p_brand_id int, p_id uuid, p_amount bigint, p_transfer_id uuid, p_hash bytea, p_body bytea,
    out result text, out code text, out state text, out captured bigint, out transfer uuid
) language plpgsql as $$
declare
    hold ledger_holds;
    lots record;
    asked record;
    wanted text := case when p_transfer_id is null then 'voided' else 'captured' end;
begin
    select * into hold from ledger_holds where brand_id = p_brand_id and id = p_id;
    if hold is null then
        result := 'refused'; code := 'hold.unknown';
        return;
    end if;
    perform 1 from ledger_accounts where account_id in (hold.account_id, hold.to_account_id) and keeps <> 'entries'
    order by account_id for no key update;
    select * into hold from ledger_holds where hold_no = hold.hold_no for update;
    captured := case when wanted = 'captured' then coalesce(p_amount, hold.amount_minor) else 0 end;
    transfer := case when hold.limit_name is null or p_transfer_id is null then p_transfer_id else hold.id end;
    if hold.state = 'open' and hold.expires_at <= clock_timestamp() then
        hold.state := 'expired';  -- the sweep will free it
    end if;
    if hold.state = wanted and hold.captured_minor = captured then
        result := 'exists';
    elsif hold.state <> 'open' then
        result := 'refused'; code := 'hold.' || hold.state;
    elsif captured > hold.amount_minor then
        result := 'refused'; code := 'hold.exceeded';
    elsif captured < hold.amount_minor and wanted = 'captured' and hold.limit_name is not null then
        result := 'refused'; code := 'hold.not_divisible';
    elsif wanted = 'voided' then
        perform ledger_release(hold.hold_no, 'voided');
        result := 'created'; hold.state := 'voided';
    else
        begin
            perform ledger_release(hold.hold_no, 'captured', captured);
            select coalesce(array_agg(d.lot_id order by d.lot_id), '{}') as ids,
                coalesce(array_agg(d.take order by d.lot_id), '{}') as takes
            into lots from ledger_draw_held(hold.hold_no, captured) d;
            select * into asked from ledger_read_asked(hold);
            select p.result, p.code into result, code from ledger_post(
                p_brand_id, null, array[transfer], array[coalesce(asked.kind, 'capture')],
                array[case when asked.kind is null then p_hash else hold.body_hash end],
                array[case when asked.kind is null then p_body else hold.body end], '{2}',
                array[hold.account_id, hold.to_account_id], array[-captured, captured],
                array[null, asked.usable_at], array[null, asked.expires_at], array[null, asked.funder],
                true, null, lots.ids, lots.takes
            ) p;
            if result <> 'created' then
                raise exception 'refused' using errcode = 'LG001';
            end if;
            hold.state := 'captured';
        exception when sqlstate 'LG001' then
            if result <> 'refused' then
                result := 'conflict';
            end if;
        end;
    end if;
    state := hold.state;
    captured := case when hold.state = 'captured' and result in ('created', 'exists') then captured else hold.captured_minor end;
end $$;

-- Of a hold that waits for a review: the transfer's kind, and on what terms it is received. No row: it is of no transfer.
create function ledger_read_asked(
    p_hold ledger_holds, out kind text, out usable_at timestamptz, out expires_at timestamptz, out funder text
) language sql stable as $$
    select body ->> 'kind', (line ->> 'usable_at')::timestamptz, (line ->> 'expires_at')::timestamptz, line ->> 'funder'
    from (select convert_from(p_hold.body, 'UTF8')::jsonb as body where p_hold.limit_name is not null) asked
    cross join jsonb_array_elements(body -> 'lines') line
    where (line ->> 'amount')::bigint > 0
$$;

-- Which of a hold's lots give so much, what expires soonest first.
create function ledger_draw_held(p_hold_no bigint, p_amount bigint) returns table (lot_id bigint, take bigint)
language sql stable as $$
    select lot_id, least(amount_minor, p_amount - before)::bigint from (
        select h.lot_id, h.amount_minor,
            sum(h.amount_minor) over (order by l.expires_at, l.lot_id) - h.amount_minor as before
        from ledger_hold_lots h join ledger_lots l using (lot_id) where h.hold_no = p_hold_no
    ) held where before < p_amount
$$;

-- Free what is held past its time. Returns how many holds.
create function ledger_expire_holds(p_count_max int) returns int language plpgsql as $$
declare
    due record;
    count int := 0;
begin
    for due in
        select hold_no, account_id from ledger_holds
        where state = 'open' and expires_at <= clock_timestamp()
        order by account_id, hold_no limit p_count_max
    loop
        perform 1 from ledger_accounts where account_id = due.account_id for no key update;
        perform 1 from ledger_holds where hold_no = due.hold_no and state = 'open' for update;
        if found then
            perform ledger_release(due.hold_no, 'expired');
            count := count + 1;
        end if;
    end loop;
    return count;
end $$;

-- --- expiry --------------------------------------------------------------------------------------------------------------

-- Expired points, but those that are held, become their funder's breakage: a transfer an account. Returns how many accounts.
-- `p_at` null is now; a moment before now is for histories that are read in.
create function ledger_expire_lots(p_brand_id int, p_at timestamptz, p_count_max int) returns int language plpgsql as $$
declare
    due record;
    found_lots record;
    body bytea;
    moment timestamptz := least(coalesce(p_at, clock_timestamp()), clock_timestamp());
    count int := 0;
begin
    for due in
        select distinct l.account_id, a.asset_id, a.name, s.code
        from ledger_lots l join ledger_accounts a using (account_id) join ledger_assets s using (asset_id)
        where a.brand_id = p_brand_id and not a.is_closed
            and l.is_open and l.expires_at < 'infinity' and l.expires_at <= moment and l.remaining_minor > l.held_minor
        order by l.account_id limit p_count_max
    loop
        perform 1 from ledger_accounts where account_id = due.account_id for no key update;
        insert into ledger_accounts (brand_id, asset_id, name, keeps)
        select distinct p_brand_id, due.asset_id, ledger_name_breakage(l.funder, due.code), 'entries'
        from ledger_lots l
        where l.account_id = due.account_id and l.is_open and l.expires_at <= moment and l.remaining_minor > l.held_minor
        on conflict do nothing;
        with lots as (
            select lot_id, remaining_minor - held_minor as amount, ledger_name_breakage(funder, due.code) as name
            from ledger_lots
            where account_id = due.account_id and is_open and expires_at <= moment and remaining_minor > held_minor
        ), lines as (
            select due.account_id, due.name, -sum(amount)::bigint as amount, 0 as line from lots
            union all
            select a.account_id, a.name, sum(l.amount)::bigint, 1
            from lots l join ledger_accounts a on a.brand_id = p_brand_id and a.name = l.name
            group by a.account_id, a.name
        )
        select array_agg(account_id order by line, name) as accounts, array_agg(amount order by line, name) as amounts,
            (select array_agg(lot_id order by lot_id) from lots) as lot_ids,
            (select array_agg(amount order by lot_id) from lots) as lot_amounts,
            jsonb_build_object('kind', 'expire', 'lines', jsonb_agg(
                jsonb_build_object('account', name, 'amount', amount::text) order by line, name)) as body
        into found_lots from lines;
        continue when found_lots.lot_ids is null;
        body := convert_to(found_lots.body::text, 'UTF8');
        perform ledger_post(
            p_brand_id, moment, array[gen_random_uuid()], '{expire}', array[sha256(body)], array[body],
            array[cardinality(found_lots.accounts)], found_lots.accounts, found_lots.amounts,
            array_fill(null::timestamptz, array[cardinality(found_lots.accounts)]),
            array_fill(null::timestamptz, array[cardinality(found_lots.accounts)]),
            array_fill(null::text, array[cardinality(found_lots.accounts)]), true, null,
            found_lots.lot_ids, found_lots.lot_amounts, false
        );
        count := count + 1;
    end loop;
    return count;
end $$;

create function ledger_name_breakage(p_funder text, p_asset text) returns text language sql immutable as $$
    select 'breakage' || coalesce(':' || p_funder, '') || '/' || p_asset
$$;

-- --- reversal ------------------------------------------------------------------------------------------------------------

-- Undo a transfer, or `p_amount` of one with two lines. What was spent goes back to its lots, in the reverse of the order in
-- which it was drawn; what was credited is taken from its own lots, and further by policy: `pending_only` (only what is not
-- usable yet), `within_balance` (as much as there is), `allow_negative` (the rest is owed). `reversed`: how much it was.
create function ledger_reverse(
    p_brand_id int, p_original_id uuid, p_id uuid, p_amount bigint, p_policy text, p_hash bytea, p_body bytea,
    out result text, out code text, out reversed bigint
) language plpgsql as $$
declare
    original ledger_transfers;
    known bytea;
    clock timestamptz;
    total bigint;
    done bigint;
    wanted bigint;
    lines record;
    line record;
    left_over bigint;
    moved record;
    lot_ids bigint[] := '{}';
    lot_amounts bigint[] := '{}';
begin
    select * into original from ledger_transfers where brand_id = p_brand_id and id = p_original_id;
    if original is null then
        result := 'refused'; code := 'transfer.unknown';
        return;
    end if;
    perform 1 from ledger_accounts
    where account_id in (select account_id from ledger_entries where transfer_no = original.transfer_no)
        and keeps <> 'entries'
    order by account_id for no key update;
    -- Transfers between accounts that keep no balance lock nothing: their reversals wait for one another here.
    perform pg_advisory_xact_lock(hashtextextended('ledger reversal', original.transfer_no));
    clock := clock_timestamp();
    select body_hash into known from ledger_transfers where brand_id = p_brand_id and id = p_id;
    if known is not null then
        result := case when known = p_hash then 'exists' else 'conflict' end;
        return;
    end if;
    select array_agg(account_id order by e.line) as accounts, array_agg(amount_minor order by e.line) as amounts,
        sum(amount_minor) filter (where amount_minor > 0) as total
    into lines from ledger_entries e where transfer_no = original.transfer_no;
    total := lines.total;
    select coalesce(sum(e.amount_minor) filter (where e.amount_minor > 0), 0) into done
    from ledger_transfers t join ledger_entries e using (transfer_no) where t.reverses_no = original.transfer_no;
    wanted := coalesce(p_amount, total - done);
    code := case
        when original.reverses_no is not null then 'transfer.is_reversal'
        when done >= total then 'transfer.already_reversed'
        when wanted > total - done then 'transfer.reverses_too_much'
        when wanted < total and cardinality(lines.accounts) > 2 then 'transfer.not_divisible'
    end;
    if code is null then
        for line in
            select a.account_id, a.keeps, a.debt_minor, a.posted_minor, a.held_minor, a.floor_minor, e.amount_minor
            from ledger_entries e join ledger_accounts a using (account_id)
            where e.transfer_no = original.transfer_no and e.amount_minor > 0 and a.keeps <> 'entries'
            order by e.line
        loop
            -- what a line can give back
            left_over := case when cardinality(lines.accounts) > 2 then line.amount_minor else wanted end;
            if line.keeps = 'balance' then
                if line.posted_minor - line.held_minor - line.floor_minor < left_over and p_policy <> 'allow_negative' then
                    code := 'balance.insufficient';
                end if;
                continue;
            end if;
            for moved in
                select lot_id, remaining_minor - held_minor as free from ledger_lots
                where account_id = line.account_id and is_open and remaining_minor > held_minor
                    and (transfer_no = original.transfer_no or (p_policy <> 'pending_only' and expires_at > clock))
                    and (p_policy <> 'pending_only' or usable_at > clock)
                order by transfer_no <> original.transfer_no, expires_at, lot_id
            loop
                exit when left_over = 0;
                lot_ids := lot_ids || moved.lot_id;
                lot_amounts := lot_amounts || least(moved.free, left_over);
                left_over := left_over - least(moved.free, left_over);
            end loop;
            if left_over > 0 and p_policy <> 'allow_negative' then
                if cardinality(lines.accounts) > 2 or left_over = wanted then
                    code := 'balance.insufficient';
                else
                    wanted := wanted - left_over;
                end if;
            end if;
        end loop;
    end if;
    if code is not null then
        result := 'refused';
        return;
    end if;
    for line in
        select a.account_id, a.debt_minor, e.amount_minor
        from ledger_entries e join ledger_accounts a using (account_id)
        where e.transfer_no = original.transfer_no and e.amount_minor < 0 and a.keeps = 'lots'
        order by e.line
    loop
        left_over := case when cardinality(lines.accounts) > 2 then -line.amount_minor else wanted end;
        left_over := left_over - least(left_over, line.debt_minor);
        for moved in
            select u.lot_id, sum(u.amount_minor)::bigint as out_still
            from ledger_lot_uses u join ledger_lots l using (lot_id) join ledger_transfers t on t.transfer_no = u.transfer_no
            where l.account_id = line.account_id
                and (u.transfer_no = original.transfer_no or t.reverses_no = original.transfer_no)
            group by u.lot_id, l.expires_at having sum(u.amount_minor) > 0
            order by l.expires_at desc, u.lot_id desc
        loop
            exit when left_over = 0;
            lot_ids := lot_ids || moved.lot_id;
            lot_amounts := lot_amounts || -least(moved.out_still, left_over);
            left_over := left_over - least(moved.out_still, left_over);
        end loop;
    end loop;
    select array_agg(case when cardinality(lines.amounts) > 2 then -amount else -sign(amount)::bigint * wanted end order by place)
    into lines.amounts from unnest(lines.amounts) with ordinality given (amount, place);
    select p.result, p.code into result, code from ledger_post(
        p_brand_id, null, array[p_id], '{reverse}', array[p_hash], array[p_body],
        array[cardinality(lines.accounts)], lines.accounts, lines.amounts,
        array_fill(null::timestamptz, array[cardinality(lines.accounts)]),
        array_fill(null::timestamptz, array[cardinality(lines.accounts)]),
        array_fill(null::text, array[cardinality(lines.accounts)]), true, original.transfer_no, lot_ids, lot_amounts, false
    ) p;
    reversed := case when result = 'created' then wanted end;
end $$;

-- --- what must always be empty -------------------------------------------------------------------------------------------

create view ledger_findings as
select t.brand_id, 'unbalanced' as finding, t.id::text as what, 'asset ' || s.code || ': ' || sum(e.amount_minor) as detail
from ledger_entries e join ledger_transfers t using (transfer_no)
join ledger_accounts a using (account_id) join ledger_assets s using (asset_id)
group by t.brand_id, t.id, s.code having sum(e.amount_minor) <> 0
union all
select t.brand_id, 'empty', t.id::text, 'no entries' from ledger_transfers t
where not exists (select from ledger_entries e where e.transfer_no = t.transfer_no)
union all
select a.brand_id, 'orphan', a.name, 'entry of no transfer: ' || e.transfer_no
from ledger_entries e join ledger_accounts a using (account_id)
where not exists (select from ledger_transfers t where t.transfer_no = e.transfer_no)
union all
select t.brand_id, 'body', t.id::text, 'its bytes are not those that were posted' from ledger_transfers t
where sha256(t.body) <> t.body_hash
union all
select t.brand_id, 'altered', t.id::text, a.name || ': posted ' || said.amount || ', now ' || e.amount_minor
from ledger_transfers t
cross join lateral (
    select l ->> 'account' as account, (l ->> 'amount')::bigint as amount
    from jsonb_array_elements(
        case when sha256(t.body) = t.body_hash then coalesce(convert_from(t.body, 'UTF8')::jsonb -> 'lines', '[]') else '[]' end
    ) l
) said
join ledger_accounts a on a.brand_id = t.brand_id and a.name = said.account
left join ledger_entries e on e.transfer_no = t.transfer_no and e.account_id = a.account_id
where e.amount_minor is distinct from said.amount
union all
select a.brand_id, 'drifted', a.name, 'keeps ' || a.posted_minor || ', its entries make ' || coalesce(sum(e.amount_minor), 0)
from ledger_accounts a left join ledger_entries e using (account_id)
where a.keeps <> 'entries'
group by a.account_id having a.posted_minor <> coalesce(sum(e.amount_minor), 0)
union all
select a.brand_id, 'version', a.name, 'after version ' || e.before || ' comes ' || coalesce(e.version::text, 'none')
from (
    select account_id, version, balance_after_minor, amount_minor,
        coalesce(lag(version) over w, 0) as before, coalesce(lag(balance_after_minor) over w, 0) as balance_before
    from ledger_entries window w as (partition by account_id order by version)
) e join ledger_accounts a using (account_id)
where a.keeps <> 'entries' and (e.version is distinct from e.before + 1
    or e.balance_after_minor is distinct from e.balance_before + e.amount_minor)
union all
select a.brand_id, 'lots', a.name, 'lots ' || coalesce(l.remaining, 0) || ', posted ' || a.posted_minor || ', owed ' || a.debt_minor
from ledger_accounts a
left join (select account_id, sum(remaining_minor) as remaining from ledger_lots group by account_id) l using (account_id)
where a.keeps = 'lots' and coalesce(l.remaining, 0) <> a.posted_minor + a.debt_minor
union all
select a.brand_id, 'lot', a.name, 'lot ' || l.lot_id || ': issued ' || l.issued_minor || ', drawn ' || coalesce(u.used, 0)
    || ', remains ' || l.remaining_minor
from ledger_lots l join ledger_accounts a using (account_id)
left join (select lot_id, sum(amount_minor) as used from ledger_lot_uses group by lot_id) u using (lot_id)
where l.issued_minor - coalesce(u.used, 0) <> l.remaining_minor
union all
select a.brand_id, 'held', a.name, 'held ' || a.held_minor || ', open holds ' || coalesce(h.held, 0)
from ledger_accounts a
left join (
    select account_id, sum(amount_minor) as held from ledger_holds where state = 'open' group by account_id
) h using (account_id)
where a.held_minor <> coalesce(h.held, 0) and a.keeps <> 'entries'
union all
select a.brand_id, 'held', a.name, 'lot ' || l.lot_id || ': held ' || l.held_minor || ', by open holds ' || coalesce(h.held, 0)
from ledger_lots l join ledger_accounts a using (account_id)
left join (
    select x.lot_id, sum(x.amount_minor) as held from ledger_hold_lots x join ledger_holds y using (hold_no)
    where y.state = 'open' group by x.lot_id
) h using (lot_id)
where l.held_minor <> coalesce(h.held, 0)
union all
select a.brand_id, 'held', a.name, 'held ' || a.held_minor || ' of ' || a.posted_minor from ledger_accounts a
where a.keeps <> 'entries' and a.held_minor > 0 and a.held_minor > a.posted_minor + a.debt_minor;

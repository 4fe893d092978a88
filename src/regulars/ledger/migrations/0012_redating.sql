-- When lots expire can be said anew: by inactivity it is known late, and a policy may change. What was said before is kept.

create table ledger_redatings (
    lot_id bigint not null,
    redating_no bigint generated always as identity,
    from_at timestamptz not null,
    to_at timestamptz not null,
    restored_minor bigint not null default 0,
    redated_at timestamptz not null,
    primary key (lot_id, redating_no)
);
comment on column ledger_redatings.restored_minor is 'what had expired already, and is given back by a transfer';

create trigger ledger_redatings_stay before update or delete or truncate on ledger_redatings
    for each statement execute function ledger_refuse_change();

-- The lots of these transfers expire at another moment. Returns what of them had expired already, and now should not have:
-- the caller posts it back from breakage. Their account is locked.
create function ledger_redate(p_brand_id int, p_transfer_ids uuid[], p_expires_at timestamptz) returns bigint
language plpgsql as $$
declare
    lot record;
    lapsed bigint;
    total bigint := 0;
    clock timestamptz := clock_timestamp();
begin
    perform 1 from ledger_accounts a where a.account_id in (
        select l.account_id from ledger_transfers t join ledger_lots l using (transfer_no)
        where t.brand_id = p_brand_id and t.id = any (p_transfer_ids)
    ) order by a.account_id for no key update;
    for lot in
        select l.lot_id, l.expires_at from ledger_transfers t join ledger_lots l using (transfer_no)
        where t.brand_id = p_brand_id and t.id = any (p_transfer_ids)
            and l.expires_at <> coalesce(p_expires_at, 'infinity')
        order by l.lot_id
    loop
        lapsed := 0;
        if coalesce(p_expires_at, 'infinity') > clock then
            select coalesce(sum(u.amount_minor), 0) - coalesce((
                select sum(r.restored_minor) from ledger_redatings r where r.lot_id = lot.lot_id
            ), 0) into lapsed
            from ledger_lot_uses u join ledger_transfers t using (transfer_no)
            where u.lot_id = lot.lot_id and t.kind = 'expire';
        end if;
        update ledger_lots set expires_at = coalesce(p_expires_at, 'infinity') where lot_id = lot.lot_id;
        insert into ledger_redatings (lot_id, from_at, to_at, restored_minor, redated_at)
        values (lot.lot_id, lot.expires_at, coalesce(p_expires_at, 'infinity'), lapsed, clock);
        total := total + lapsed;
    end loop;
    return total;
end $$;

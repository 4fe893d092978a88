-- Programmes, each version as it was written; what drives them, and what came of it for each member.

create table loyalty_programmes (
    brand_id int not null,
    name text collate "C" not null check (char_length(name) between 1 and 100),
    version int not null check (version > 0),
    written jsonb not null,
    from_at timestamptz not null,
    from_seq bigint not null,
    primary key (brand_id, name, version)
);
comment on column loyalty_programmes.from_at is 'in force until the next version''s';
comment on column loyalty_programmes.from_seq is 'events that came after this one are judged by it';

-- The events that programmes look at, as they came. They are kept: what a member has is folded from all of theirs, in the
-- order in which they happened, whatever the order in which they came.
create table loyalty_marks (
    brand_id int not null,
    origin_id bigint not null,
    seq bigint not null,
    occurred_at timestamptz not null,
    name text collate "C" not null,
    properties text not null,
    member jsonb,
    primary key (brand_id, origin_id, seq)
);
comment on column loyalty_marks.member is 'what conditions may ask of the member, as it was when the event came';

-- What the fold said last. `due_at`: when it says something else although nothing happens.
create table loyalty_members (
    brand_id int not null,
    programme text collate "C" not null,
    member_id bigint not null,
    level int not null default 0,
    level_name text collate "C",
    badges text[] not null default '{}',
    missions text[] not null default '{}',
    due_at timestamptz,
    primary key (brand_id, programme, member_id)
) with (fillfactor = 85);
create index loyalty_members_due on loyalty_members (due_at) where due_at is not null;
comment on column loyalty_members.missions is 'those that were reached';

-- What the ledger holds of what the fold says. `amount`: points that were awarded, or (negative) paid for an order; 0: a
-- payment that the balance did not allow. `transfers` brought it about; `amounts` is what is left of each.
create table loyalty_awards (
    brand_id int not null,
    programme text collate "C" not null,
    member_id bigint not null,
    key text collate "C" not null,
    asset text collate "C" not null,
    amount bigint not null,
    expires_at timestamptz,
    revision int not null default 0,
    transfers uuid[] not null,
    amounts bigint[] not null,
    primary key (brand_id, programme, member_id, key, asset)
) with (fillfactor = 90);

-- What was done once and is not undone: vouchers issued, tags set.
create table loyalty_deeds (
    brand_id int not null,
    programme text collate "C" not null,
    member_id bigint not null,
    key text collate "C" not null,
    primary key (brand_id, programme, member_id, key)
);

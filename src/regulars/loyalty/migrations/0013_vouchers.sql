-- What members use beside points: vouchers, rewards, places at staged events, scores; and whom partners know.
--
-- What is bounded is counted in one row: a pool's, a reward's, an event's. Whoever changes what it counts has locked that
-- row first, so the last code, the last gift, the last of a budget go to exactly one.

create table loyalty_pools (
    brand_id int not null,
    programme text collate "C" not null,
    pool text collate "C" not null,
    pool_id bigint generated always as identity,
    issued_count bigint not null default 0 check (issued_count >= 0),
    discounted numeric not null default 0 check (discounted >= 0),
    codes_version int not null default 0,
    codes_read int not null default 0,
    primary key (brand_id, programme, pool)
);
create unique index loyalty_pools_id on loyalty_pools (brand_id, pool_id);
comment on column loyalty_pools.discounted is 'money, of vouchers that are reserved and used';
comment on column loyalty_pools.codes_read is 'of the list of codes of this version: so many were issued or looked at';

create table loyalty_vouchers (
    brand_id int not null,
    member_id bigint not null,
    voucher_id bigint generated always as identity,
    pool_id bigint not null,
    code text collate "C" not null,
    is_generic boolean not null,
    by_use boolean not null,
    cause text collate "C",
    state text collate "C" not null default 'issued' check (state in ('issued', 'reserved', 'used')),
    issued_at timestamptz not null,
    valid_until timestamptz,
    reserved_until timestamptz,
    order_id text collate "C",
    amount numeric,
    discount numeric,
    used_at timestamptz,
    primary key (brand_id, member_id, voucher_id),
    check (is_generic or not by_use)
) with (fillfactor = 85);
create unique index loyalty_vouchers_code on loyalty_vouchers (brand_id, code) where not is_generic;
create unique index loyalty_vouchers_cause on loyalty_vouchers (brand_id, member_id, cause) where cause is not null;
create index loyalty_vouchers_overdue on loyalty_vouchers (reserved_until) where state = 'reserved';
create index loyalty_vouchers_reserved on loyalty_vouchers (brand_id, pool_id, reserved_until) where state = 'reserved';
comment on column loyalty_vouchers.by_use is 'a generic code that nobody issued to the member: released, it is gone';
comment on column loyalty_vouchers.cause is 'PROGRAMME/what brought it about, once for each member';
comment on column loyalty_vouchers.state is 'reserved lasts until reserved_until, and is issued from then on';

-- Of pools with a limit for each member: under which identifiers vouchers were given, as keyed digests. They stay when the
-- member's identifiers change, and when the member is gone.
create table loyalty_claims (
    brand_id int not null,
    pool_id bigint not null,
    digest bytea not null,
    voucher_id bigint not null,
    member_id bigint not null,
    primary key (brand_id, pool_id, digest, voucher_id)
);

create table loyalty_partners (
    brand_id int not null,
    partner text collate "C" not null,
    customer_count bigint not null,
    told_at timestamptz not null,
    primary key (brand_id, partner)
);

create table loyalty_customers (
    brand_id int not null,
    partner text collate "C" not null,
    digest bytea not null,
    primary key (brand_id, partner, digest)
);
comment on column loyalty_customers.digest is 'keyed, of the SHA-256 that the partner gave';

create table loyalty_rewards (
    brand_id int not null,
    programme text collate "C" not null,
    reward text collate "C" not null,
    reward_id bigint generated always as identity,
    taken_count bigint not null default 0 check (taken_count >= 0),
    primary key (brand_id, programme, reward)
);
create unique index loyalty_rewards_id on loyalty_rewards (brand_id, reward_id);
comment on column loyalty_rewards.taken_count is 'reserved and confirmed';

create table loyalty_redemptions (
    brand_id int not null,
    member_id bigint not null,
    redemption_id bigint generated always as identity,
    reward_id bigint not null,
    asset text collate "C" not null,
    price bigint not null,
    hold_id uuid not null,
    is_held boolean not null default true,
    state text collate "C" not null default 'reserved' check (state in ('reserved', 'confirmed', 'released', 'expired')),
    made_at timestamptz not null,
    reserved_until timestamptz not null,
    ended_at timestamptz,
    primary key (brand_id, member_id, redemption_id)
) with (fillfactor = 85);
create unique index loyalty_redemptions_id on loyalty_redemptions (brand_id, redemption_id);
create index loyalty_redemptions_due on loyalty_redemptions (reserved_until) where is_held;
create index loyalty_redemptions_reserved on loyalty_redemptions (brand_id, reward_id, reserved_until)
    where state = 'reserved';
comment on column loyalty_redemptions.is_held is 'the ledger may still hold its points';

create table loyalty_events (
    brand_id int not null,
    programme text collate "C" not null,
    event text collate "C" not null,
    event_id bigint generated always as identity,
    registered_count bigint not null default 0 check (registered_count >= 0),
    waiting_count bigint not null default 0 check (waiting_count >= 0),
    last_place bigint not null default 0,
    primary key (brand_id, programme, event)
);
create index loyalty_events_waiting on loyalty_events (brand_id, event_id) where waiting_count > 0;

create table loyalty_registrations (
    brand_id int not null,
    member_id bigint not null,
    event_id bigint not null,
    place bigint not null,
    state text collate "C" not null check (state in ('registered', 'waiting', 'cancelled')),
    at timestamptz not null,
    primary key (brand_id, member_id, event_id)
);
create index loyalty_registrations_waiting on loyalty_registrations (brand_id, event_id, place) where state = 'waiting';
comment on column loyalty_registrations.place is 'in the order in which members came';

create table loyalty_scores (
    brand_id int not null,
    programme text collate "C" not null,
    score text collate "C" not null,
    id text collate "C" not null,
    member_id bigint not null,
    day date not null,
    reached bigint not null,
    at timestamptz not null,
    voucher_id bigint,
    refused text collate "C",
    primary key (brand_id, programme, score, id)
);
create unique index loyalty_scores_day on loyalty_scores (brand_id, programme, score, member_id, day);
comment on column loyalty_scores.id is 'the caller''s; the same again is no second score';
comment on column loyalty_scores.refused is 'why it brought no voucher';

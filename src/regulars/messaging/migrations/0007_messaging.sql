-- Messaging: channels, what they cost, whom they reach, every delivery's life, and the requests that carry them.
-- What is written several times within minutes has room for it in its page (fillfactor).

create sequence messaging_delivery_id_seq as bigint;
create sequence messaging_message_id_seq as bigint;

-- The salt of a brand's arms: made once, never changed.
create table messaging_brands (
    brand_id int primary key,
    salt bytea not null
);

-- Secrets are sealed; settings hold what may be shown. state is what the channel's API said last.
create table messaging_channels (
    brand_id int not null,
    name text collate "C" not null,
    kind text collate "C" not null,
    -- The kind of identity that the channel knows its people by: line, line@NAME, telegram, email.
    identity_kind text collate "C" not null,
    settings jsonb not null,
    secrets_sealed bytea not null,
    state jsonb not null default '{}',
    version int not null default 1,
    updated_at timestamptz not null,
    primary key (brand_id, name)
);
create index messaging_channels_name on messaging_channels (name);

-- The newest book of a channel's price plans; numbers of the past stay in the deliveries' prices.
create table messaging_price_books (
    brand_id int not null,
    channel text collate "C" not null,
    book jsonb not null,
    updated_at timestamptz not null,
    primary key (brand_id, channel)
);

-- Messages of one calendar month of the brand that count. is_exhausted: the channel itself said that none is left.
-- used is as many as we sent or the channel counts, whichever is more. messages, of_plans and cost are ours alone: how many
-- deliveries have this quota_month and went, or wait to go; those of them that plans sent; the sum of their prices. Free
-- replies are none of them: how many there were, and what they would have cost as messages, each at its moment.
create table messaging_quotas (
    brand_id int not null,
    channel text collate "C" not null,
    month date not null,
    used bigint not null default 0,
    is_exhausted boolean not null default false,
    messages bigint not null default 0,
    of_plans bigint not null default 0,
    cost numeric not null default 0,
    replies bigint not null default 0,
    saved numeric not null default 0,
    primary key (brand_id, channel, month)
);

create table messaging_budgets (
    brand_id int not null,
    budget text collate "C" not null,
    most numeric not null,
    spent numeric not null default 0,
    primary key (brand_id, budget)
);

-- One row a member: the counted deliveries, in arrays of one length. The gate decides on this row alone, under its lock.
create table messaging_people (
    brand_id int not null,
    member_id bigint not null,
    counted_at timestamptz[] not null default '{}',
    counted_topic text[] not null default '{}',
    counted_delivery bigint[] not null default '{}',
    counted_key text[] not null default '{}',
    primary key (brand_id, member_id)
) with (fillfactor = 50);

-- The last word of each address that ever had one: null is reachable again. lookup is the identity's.
create table messaging_reach (
    brand_id int not null,
    channel text collate "C" not null,
    lookup text collate "C" not null,
    blocked_at timestamptz,
    reason text collate "C",
    told_at timestamptz not null,
    primary key (brand_id, channel, lookup)
);

-- What webhooks told, so that what is told again does nothing.
create table messaging_happenings (
    brand_id int not null,
    channel text collate "C" not null,
    happening_key text collate "C" not null,
    kind text collate "C" not null,
    lookup text collate "C" not null,
    at timestamptz not null,
    received_at timestamptz not null,
    primary key (brand_id, channel, happening_key)
);
create index messaging_happenings_received on messaging_happenings (brand_id, received_at);

create table messaging_messages (
    brand_id int not null,
    message_id bigint not null,
    digest text collate "C" not null,
    written jsonb not null,
    created_at timestamptz not null,
    primary key (brand_id, message_id),
    unique (brand_id, digest)
);

create table messaging_deliveries (
    brand_id int not null,
    delivery_id bigint not null default nextval('messaging_delivery_id_seq'),
    -- Whom it was made for; whoever is merged since is found through facts.people.
    member_id bigint not null,
    channel text collate "C" not null,
    purpose text collate "C" not null,
    topic text collate "C",
    message_id bigint not null,
    plan_id bigint,
    campaign text collate "C",
    variant text collate "C",
    dedupe_key text collate "C" not null,
    -- Of a single send: what was asked, so that the key is not used for something else.
    asked_digest text collate "C",
    waits boolean not null,
    holdout double precision,
    budget text collate "C",
    value numeric,
    state text collate "C" not null
        check (state in ('planned', 'reserved', 'sending', 'accepted', 'rejected', 'unknown', 'refused', 'withheld', 'cancelled')),
    -- What indexes ask instead of state: states that follow one another change no index.
    is_planned boolean not null generated always as (state = 'planned') stored,
    reason text collate "C",
    detail jsonb not null default '{}',
    arm text collate "C" check (arm in ('global', 'campaign')),
    price numeric,
    -- Whose row counts it, and the month whose quota.
    counted_member_id bigint,
    quota_month date,
    send_at timestamptz not null,
    until_at timestamptz,
    created_at timestamptz not null,
    gated_at timestamptz,
    done_at timestamptz,
    opened_at timestamptz,
    clicked_at timestamptz,
    -- When the member first took its consent back by this message's own link.
    unsubscribed_at timestamptz,
    request_id uuid,
    primary key (brand_id, delivery_id),
    unique (brand_id, dedupe_key)
) with (fillfactor = 60);
create index messaging_deliveries_due on messaging_deliveries (send_at, delivery_id) where is_planned;
create index messaging_deliveries_waiting on messaging_deliveries (brand_id, channel, send_at) where is_planned;
create index messaging_deliveries_member on messaging_deliveries (brand_id, member_id, delivery_id);
create index messaging_deliveries_plan on messaging_deliveries (brand_id, plan_id, delivery_id) where plan_id is not null;
create index messaging_deliveries_campaign on messaging_deliveries (brand_id, campaign, delivery_id) where campaign is not null;
create index messaging_deliveries_request on messaging_deliveries (brand_id, request_id) where request_id is not null;

-- A plan whose deliveries stand still: neither the gate nor the sender takes them up.
create table messaging_paused (
    brand_id int not null,
    plan_id bigint not null,
    primary key (brand_id, plan_id)
);

-- What goes over the wire: stored before the first attempt, sent unchanged by every one. Bodies are emptied when they are
-- of no more use.
create table messaging_requests (
    brand_id int not null,
    request_id uuid not null,
    channel text collate "C" not null,
    plan_id bigint,
    path text collate "C" not null,
    body bytea not null,
    addresses text[] not null,
    state text collate "C" not null check (state in ('waiting', 'sending', 'accepted', 'rejected', 'unknown', 'cancelled')),
    attempts jsonb not null default '[]',
    first_at timestamptz,
    next_at timestamptz not null,
    -- From then on no attempt begins.
    until_at timestamptz,
    lease_until timestamptz,
    done_at timestamptz,
    message_id text,
    primary key (brand_id, request_id)
) with (fillfactor = 60);
create index messaging_requests_next on messaging_requests (next_at) where state = 'waiting';
create index messaging_requests_lease on messaging_requests (lease_until) where state = 'sending';
create index messaging_requests_done on messaging_requests (done_at) where done_at is not null and body <> '';

-- Addresses that links of messages lead to.
create table messaging_links (
    brand_id int not null,
    link_id bigint generated always as identity,
    url text not null,
    url_digest text collate "C" not null,
    primary key (brand_id, link_id),
    unique (brand_id, url_digest)
);

create table messaging_clicks (
    brand_id int not null,
    delivery_id bigint not null,
    link_id bigint not null,
    at timestamptz not null,
    clicks int not null default 1,
    primary key (brand_id, delivery_id, link_id)
);

create or replace view facts.deliveries as
select d.brand_id, p.in_force_id as member_id, coalesce(d.campaign, '') collate "default" as campaign,
    d.channel collate "default" as channel, coalesce(d.topic, '') collate "default" as topic, d.done_at as received_at,
    d.opened_at, d.clicked_at
from messaging_deliveries d
join facts.people p on p.brand_id = d.brand_id and p.member_id = d.member_id
where d.state in ('accepted', 'unknown');

-- Everything that was meant to go out and passed the lot, and what the lot withheld, for whoever measures; holdout is the share its
-- campaign had then. What room ran out for, or was called off after the gate, was meant to go as well: what was withheld beside
-- it stays. The gate withholds none of a plan for want of room, but does so of single messages: of them only what the channel
-- itself refused had passed. What expired at the gate met no lot, and what expired after it was meant to go.
create view facts.sent as
select d.brand_id, d.delivery_id, d.plan_id, d.campaign, d.variant, d.channel, p.in_force_id as member_id,
    d.member_id as own_member_id, d.state, d.reason, d.arm, d.holdout, d.price, d.value, d.send_at, d.gated_at, d.done_at,
    d.clicked_at
from messaging_deliveries d
join facts.people p on p.brand_id = d.brand_id and p.member_id = d.member_id
where d.state in ('reserved', 'accepted', 'unknown', 'rejected', 'withheld')
    or (d.state = 'refused' and d.reason in ('quota', 'budget') and (d.plan_id is not null or d.request_id is not null))
    or (d.state = 'refused' and d.reason = 'expired' and d.request_id is not null)
    or (d.state = 'cancelled' and d.gated_at is not null);

-- Whom each channel reaches: an address of its kind that takes what is sent.
create view facts.reachable as
select c.brand_id, c.name as channel, a.member_id
from messaging_channels c
join facts.addresses a on a.brand_id = c.brand_id and a.kind = c.identity_kind
where not exists (
    select from messaging_reach r
    where r.brand_id = c.brand_id and r.channel = c.name and r.lookup = a.lookup and r.blocked_at is not null
);

-- What counts against caps, by the member in force: what the gate has counted, and what waits for it.
create view facts.counted as
select s.brand_id, p.in_force_id as member_id, u.at, u.topic
from messaging_people s
join facts.people p on p.brand_id = s.brand_id and p.member_id = s.member_id
cross join lateral unnest(s.counted_at, s.counted_topic) as u (at, topic)
union all
select d.brand_id, p.in_force_id, d.send_at, d.topic
from messaging_deliveries d
join facts.people p on p.brand_id = d.brand_id and p.member_id = d.member_id
where d.is_planned and d.purpose not in ('service', 'transactional');

-- Messages that wait for the gate, by channel and instant: they will take of a month's quota.
create view facts.waiting as
select d.brand_id, d.channel, d.plan_id, d.send_at from messaging_deliveries d where d.is_planned;

-- Campaigns: what is to be said to whom, the plans that choose among them, and what single messages are set off by.

create sequence campaigns_plan_id_seq as bigint;

-- removed_at: it can be planned no more; plans that were made of it still know it by its versions.
create table campaigns_campaigns (
    brand_id int not null,
    name text collate "C" not null,
    version int not null,
    updated_at timestamptz not null,
    removed_at timestamptz,
    primary key (brand_id, name)
);

create table campaigns_versions (
    brand_id int not null,
    name text collate "C" not null,
    version int not null,
    written json not null,
    created_at timestamptz not null,
    primary key (brand_id, name, version)
);

-- asked is the request; versions are those of its campaigns; totals what its summary says.
create table campaigns_plans (
    brand_id int not null,
    plan_id bigint not null,
    state text collate "C" not null check (state in ('draft', 'sending', 'paused', 'cancelled')),
    asked json not null,
    campaigns text[] not null,
    versions int[] not null,
    channels text[] not null,
    as_of timestamptz not null,
    first_on date not null,
    last_on date not null,
    totals json not null,
    warnings jsonb not null default '[]',
    created_at timestamptz not null,
    sent_at timestamptz,
    primary key (brand_id, plan_id)
);

-- A row a message: its campaign and channel are places in the plan's lists, its variant one in the campaign's, -1 where it
-- has none. Money in millionths of the brand's currency. All of one width: a million are copied at once.
create table campaigns_assignments (
    brand_id int not null,
    plan_id bigint not null,
    member_id bigint not null,
    campaign_no smallint not null,
    channel_no smallint not null,
    variant_no smallint not null,
    value_micros bigint not null,
    price_micros bigint not null,
    send_at timestamptz not null,
    is_withheld boolean not null,
    primary key (brand_id, plan_id, member_id, campaign_no)
);

-- The best of what a member might have got of a plan and did not, and what stood in its way (the planner's Reason).
create table campaigns_unsent (
    brand_id int not null,
    plan_id bigint not null,
    member_id bigint not null,
    campaign_no smallint not null,
    channel_no smallint not null,
    value_micros bigint not null,
    reason_no smallint not null,
    primary key (brand_id, plan_id, member_id)
);

-- How far a campaign that something sets off has looked: the tail's seq, the members inside, the number of the next time.
-- inside is a roaring bitmap of member numbers; occurrence grows with everything that is set off together.
create table campaigns_triggers (
    brand_id int not null,
    campaign text collate "C" not null,
    version int not null,
    kind text collate "C" not null check (kind in ('enter', 'event', 'every')),
    after_seq bigint not null,
    inside bytea,
    occurrence bigint not null default 0,
    next_at timestamptz not null,
    primary key (brand_id, campaign)
);

-- For whoever measures: the goal of each version, and which version a plan sent.
create view facts.campaigns as
select c.brand_id, c.name as campaign, c.version, v.written
from campaigns_campaigns c
join campaigns_versions v on v.brand_id = c.brand_id and v.name = c.name and v.version = c.version;

-- Every version that ever was.
create view facts.campaign_versions as
select v.brand_id, v.name as campaign, v.version, v.written, v.created_at from campaigns_versions v;

create view facts.plans as
select p.brand_id, p.plan_id, k.campaign, k.version, v.written, p.state, p.as_of, p.sent_at
from campaigns_plans p
cross join lateral unnest(p.campaigns, p.versions) as k (campaign, version)
join campaigns_versions v on v.brand_id = p.brand_id and v.name = k.campaign collate "C" and v.version = k.version;

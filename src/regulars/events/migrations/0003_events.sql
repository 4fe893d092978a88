-- Events: the tail that the history's mover reads, what has been seen, names, items, and what was rejected.

-- Who must see every event: what a follower has not seen stays in the tail.
create table events_followers (
    brand_id int not null,
    follower text collate "C" not null,
    after_seq bigint not null,
    primary key (brand_id, follower)
);

create view facts.followers as select brand_id, follower, after_seq from events_followers;

-- One row a brand; its lock orders seq: a batch holds it until it commits, so whoever sees a seq sees all lower ones.
create table events_heads (
    brand_id int primary key,
    next_seq bigint not null default 1,
    personal_properties text[] not null default '{}'
);

-- occurred_at is the corrected instant; original_at is what the client said, sent_at when it says it sent.
create table events_tail (
    brand_id int not null,
    seq bigint not null,
    event_id uuid not null,
    origin_id bigint not null,
    source_id int not null,
    type text collate "C" not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    original_at timestamptz,
    sent_at timestamptz,
    message_id text collate "C" not null,
    name text collate "C" not null,
    line_count int not null,
    properties text not null,
    primary key (brand_id, seq)
);
create index events_tail_origin on events_tail (brand_id, origin_id, occurred_at, seq);

-- event_id is the hash of brand, source and message id. A month has a unique index on event_id, made with it: its rows
-- cannot have the parent's. It is dropped when it is older than the promise of 35 days.
create table events_seen (
    brand_id int not null,
    event_id uuid not null,
    received_at timestamptz not null
) partition by range (received_at);

-- Imported rows are known for ever, not for 35 days: the same file adds only what is new, whenever it comes again.
create table events_imported (
    brand_id int not null,
    event_id uuid not null,
    primary key (brand_id, event_id)
);

create table events_names (
    brand_id int not null,
    name text collate "C" not null,
    event_count bigint not null,
    line_count bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (brand_id, name)
);

create table events_items (
    brand_id int not null,
    item_id text collate "C" not null,
    name text not null,
    category text collate "C",
    price numeric,
    attributes jsonb not null default '{}',
    updated_at timestamptz not null,
    primary key (brand_id, item_id)
);
create index events_items_category on events_items (brand_id, category, item_id);

create sequence events_rejected_id_seq as bigint;

-- The dead-letter view: what could not be taken, sealed since nobody knows what it holds. A batch that is sent again,
-- because its answer was lost, names the same bad events: each is kept once, by the digest of its reason.
create table events_rejected (
    brand_id int not null,
    rejected_id bigint not null,
    source_id int not null,
    received_at timestamptz not null,
    message_id text collate "C",
    code text collate "C" not null,
    digest text collate "C" not null,
    message_sealed bytea not null,
    body_sealed bytea not null,
    primary key (brand_id, rejected_id)
);
create unique index events_rejected_once on events_rejected (brand_id, source_id, message_id, code, digest);
create index events_rejected_age on events_rejected (received_at);

create view facts.events as
select t.brand_id, o.member_id, t.seq, t.event_id, t.origin_id, t.name, t.occurred_at, t.received_at, t.properties
from events_tail t
join facts.origins o on o.brand_id = t.brand_id and o.origin_id = t.origin_id;

create view facts.items as
select brand_id, item_id, name, category, price, attributes from events_items;

create view facts.event_names as
select brand_id, name, event_count, first_at, last_at from events_names where event_count > 0;

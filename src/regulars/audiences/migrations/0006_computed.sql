-- How far the computed traits and tags of each brand are.

create table audiences_computed (
    brand_id int primary key,
    -- The state of the history that was read last, and as of when.
    data_version text collate "C" not null,
    head_seq bigint not null,
    as_of timestamptz not null,
    -- The last time that all members were gone through, and each category's share of all purchases then.
    whole_at timestamptz not null,
    whole_seq bigint not null,
    shares jsonb not null
);

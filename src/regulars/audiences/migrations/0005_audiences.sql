-- Audiences, saved with their versions.

-- Whoever sends messages replaces this: nothing has been sent yet.
create view facts.deliveries as
select 0::int as brand_id, 0::bigint as member_id, ''::text as campaign, ''::text as channel, ''::text as topic,
    null::timestamptz as received_at, null::timestamptz as opened_at, null::timestamptz as clicked_at
where false;

-- One row an audience: its newest version.
create table audiences_audiences (
    brand_id int not null,
    name text collate "C" not null,
    version int not null,
    updated_at timestamptz not null,
    primary key (brand_id, name)
);

create table audiences_versions (
    brand_id int not null,
    name text collate "C" not null,
    version int not null,
    -- The condition as it was written, as JSON: what it means is read again each time.
    written text not null,
    created_at timestamptz not null,
    primary key (brand_id, name, version)
);

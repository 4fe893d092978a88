-- Members: who a brand knows, by what, what they are like, what they allowed, and how two became one.
-- An identity has an origin; events keep the origin they came with; members_origins says whose it is now. A merge moves
-- origins from one member to another and nothing else, so it can be undone.

create schema if not exists facts;

create sequence members_member_id_seq as bigint;
create sequence members_origin_id_seq as bigint;
create sequence members_merge_id_seq as bigint;
create sequence members_conflict_id_seq as bigint;

-- One row a brand: its lock for everything that changes who is who. identity_epoch grows when an identity leaves its
-- origin, so that whoever remembers origins knows to forget them.
create table members_heads (
    brand_id int primary key,
    next_member_no int not null default 0,
    identity_epoch int not null default 0
);

create table members_members (
    brand_id int not null,
    member_id bigint not null,
    member_no int not null,
    state text collate "C" not null default 'active' check (state in ('active', 'merged', 'erased')),
    merged_into bigint,
    traits jsonb not null default '{}',
    traits_set_at jsonb not null default '{}',
    preferences jsonb not null default '{}',
    -- What was said of this member itself, kept apart while others are merged into it; null: the same as the above.
    own jsonb,
    created_at timestamptz not null,
    primary key (brand_id, member_id),
    unique (brand_id, member_no),
    check ((state = 'merged') = (merged_into is not null))
);

-- own_member_id is who brought the origin; it goes back there when merges are undone.
create table members_origins (
    brand_id int not null,
    origin_id bigint not null,
    member_id bigint not null,
    own_member_id bigint not null,
    primary key (brand_id, origin_id)
);
create index members_origins_member on members_origins (brand_id, member_id);

-- lookup is the value itself, or its keyed digest where the kind is personal: then the value is sealed.
create table members_identities (
    brand_id int not null,
    kind text collate "C" not null,
    lookup text collate "C" not null,
    origin_id bigint not null,
    value_sealed bytea,
    last_four text collate "C",
    verified boolean not null default false,
    created_at timestamptz not null,
    primary key (brand_id, kind, lookup)
);
create index members_identities_origin on members_identities (brand_id, origin_id);
create index members_identities_last_four on members_identities (brand_id, last_four) where last_four is not null;

create table members_personal_traits (
    brand_id int not null,
    member_id bigint not null,
    trait text collate "C" not null,
    lookup text collate "C" not null,
    value_sealed bytea not null,
    primary key (brand_id, member_id, trait)
);
create index members_personal_traits_value on members_personal_traits (brand_id, trait, lookup);

create table members_name_bigrams (
    brand_id int not null,
    bigram text collate "C" not null,
    member_id bigint not null,
    primary key (brand_id, bigram, member_id)
);
create index members_name_bigrams_member on members_name_bigrams (brand_id, member_id);

create table members_trait_types (
    brand_id int not null,
    trait text collate "C" not null,
    type text collate "C" not null
        check (type in ('text', 'number', 'boolean', 'date', 'instant', 'list', 'object', 'mixed')),
    declared boolean not null,
    personal boolean not null,
    first_seen_at timestamptz not null,
    -- Minutes in which values arrived, those between known ones not counted again: one write a minute at the most.
    arrival_count bigint not null default 0,
    first_arrived_at timestamptz,
    last_arrived_at timestamptz,
    primary key (brand_id, trait)
);

create table members_tags (
    brand_id int not null,
    member_id bigint not null,
    tag text collate "C" not null,
    weight double precision not null check (weight between 0 and 1),
    evidence text,
    source text collate "C" not null,
    expires_at timestamptz,
    set_at timestamptz not null,
    primary key (brand_id, member_id, tag)
);
create index members_tags_tag on members_tags (brand_id, tag, member_id);

-- What each member said itself; nothing is deleted. holder_member_id is who shows the row: the member in force it was
-- merged into. A word replaces all that its holder showed of its channel and purpose, and replaced_by_member_id says whose
-- word did. An unmerge gives rows back to who leaves, and in force again those that somebody else's word had replaced.
create table members_consents (
    brand_id int not null,
    member_id bigint not null,
    consent_no int not null,
    channel text collate "C" not null,
    purpose text collate "C" not null,
    granted boolean not null,
    proof jsonb not null default '{}',
    at timestamptz not null,
    holder_member_id bigint not null,
    replaced_by_member_id bigint,
    primary key (brand_id, member_id, consent_no)
);
create index members_consents_holder on members_consents (brand_id, holder_member_id, channel, purpose);

create table members_merges (
    brand_id int not null,
    merge_id bigint not null,
    kept_member_id bigint not null,
    merged_member_id bigint not null,
    cause text collate "C" not null check (cause in ('manual', 'alias', 'joined')),
    merged_at timestamptz not null,
    undone_at timestamptz,
    primary key (brand_id, merge_id)
);
create index members_merges_kept on members_merges (brand_id, kept_member_id) where undone_at is null;
create index members_merges_merged on members_merges (brand_id, merged_member_id) where undone_at is null;
create index members_merges_undone on members_merges (brand_id, kept_member_id) where undone_at is not null;

create table members_conflicts (
    brand_id int not null,
    conflict_id bigint not null,
    kind text collate "C" not null,
    lookup text collate "C" not null,
    holder_member_id bigint not null,
    claimant_member_id bigint not null,
    reason text collate "C" not null check (reason in ('second_user_id', 'unverified', 'too_many_identities', 'merge_undone')),
    seen_at timestamptz not null,
    resolved_at timestamptz,
    primary key (brand_id, conflict_id),
    unique (brand_id, kind, lookup, holder_member_id, claimant_member_id)
);
create index members_conflicts_open on members_conflicts (brand_id, holder_member_id) where resolved_at is null;

-- Digests of the identities of erased members: what still arrives under them is dropped.
create table members_erasures (
    brand_id int not null,
    identity_digest text collate "C" not null,
    member_id bigint not null,
    erased_at timestamptz not null,
    primary key (brand_id, identity_digest)
);

create table members_disclosures (
    brand_id int not null,
    member_id bigint not null,
    disclosed_at timestamptz not null,
    what text collate "C" not null,
    recipient text not null,
    primary key (brand_id, member_id, disclosed_at, what)
);

create view facts.members as
select brand_id, member_id, member_no, traits, created_at from members_members where state = 'active';

create view facts.origins as
select brand_id, origin_id, member_id from members_origins;

create view facts.tags as
select brand_id, member_id, tag, weight, source, expires_at, set_at from members_tags;

create view facts.trait_types as
select brand_id, trait, type, personal from members_trait_types;

create view facts.trait_arrivals as
select brand_id, trait, arrival_count, first_arrived_at as first_at, last_arrived_at as last_at
from members_trait_types where arrival_count > 0;

-- Of members merged together the stricter word; at is when it was said last.
create view facts.consents as
select distinct on (brand_id, holder_member_id, channel, purpose)
    brand_id, holder_member_id as member_id, channel, purpose, granted, at
from members_consents
where replaced_by_member_id is null
order by brand_id, holder_member_id, channel, purpose, granted, at desc;

create index members_members_merged on members_members (brand_id, merged_into) where merged_into is not null;

create view facts.identities as
select i.brand_id, o.member_id, i.kind, i.verified
from members_identities i
join members_origins o on o.brand_id = i.brand_id and o.origin_id = i.origin_id;

create view facts.user_ids as
select i.brand_id, o.member_id, i.lookup as user_id
from members_identities i
join members_origins o on o.brand_id = i.brand_id and o.origin_id = i.origin_id
where i.kind = 'user_id';

-- Sealed values are found by their keyed digests alone.
create view facts.personal_traits as
select brand_id, member_id, trait, lookup from members_personal_traits;

-- JSON read as the condition language reads it: NULL where the value is of another type.
create function facts.json_text(value jsonb) returns text
language sql immutable parallel safe as $$ select value #>> '{}' $$;

-- To 6 digits after the point, half away from zero; beyond 12 digits before it absent.
create function facts.json_number(value jsonb) returns numeric
language sql immutable parallel safe as $$
    select case when jsonb_typeof(value) = 'number' then
        -- What would be rounded to 10^12 is out of range, too.
        case when abs(value::numeric) < 999999999999.9999995 then round(value::numeric, 6) end
    end
$$;

-- A date is its first instant in the zone; what has the form and is no date is absent.
create function facts.json_instant(value jsonb, zone text) returns timestamptz
language plpgsql immutable parallel safe as $$
declare
    said constant text := case when jsonb_typeof(value) = 'string' then value #>> '{}' end;
    day constant text := '[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])';
    clock constant text := '([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?';
begin
    if said ~ ('^' || day || '([T ]' || clock || ')?$') then
        return said::timestamp at time zone zone;
    elsif said ~ ('^' || day || '[T ]' || clock || '(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])$') then
        return said::timestamptz;
    end if;
    return null;
exception when datetime_field_overflow or invalid_datetime_format then
    return null;
end $$;

-- Where a text lies in [0, 2^64), as 16 hexadecimal digits: compared as text under "C".
create function facts.place_of(value text) returns text
language sql immutable parallel safe as $$
    select encode(substring(sha256(convert_to(value, 'UTF8')) from 1 for 8), 'hex') collate "C"
$$;

-- Every member there ever was, and who it is now: itself, or the one that it was merged into, over as many merges as it took.
create view facts.people as
select m.brand_id, m.member_id, m.member_no, m.state, m.merged_into, m.traits, m.preferences,
    case
        when m.state <> 'merged' then m.member_id
        else (
            with recursive up (member_id, state, merged_into) as (
                select m.member_id, m.state, m.merged_into
                union all
                select n.member_id, n.state, n.merged_into
                from up join members_members n on n.brand_id = m.brand_id and n.member_id = up.merged_into
            )
            select up.member_id from up where up.state <> 'merged'
        )
    end as in_force_id
from members_members m;

-- Where members can be reached. Values of personal kinds are sealed; lookup is what a row is found by.
create view facts.addresses as
select i.brand_id, o.member_id, i.kind, i.lookup, i.value_sealed, i.created_at
from members_identities i
join members_origins o on o.brand_id = i.brand_id and o.origin_id = i.origin_id;

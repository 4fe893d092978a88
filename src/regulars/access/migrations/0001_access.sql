-- Brands, their keys, and the answers kept for repeated requests.

create table access_brands (
    brand_id int generated always as identity primary key,
    name text collate "C" not null unique check (char_length(name) between 1 and 100),
    settings jsonb not null default '{}',
    data_key_wrapped bytea not null,
    created_at timestamptz not null
);

create table access_keys (
    brand_id int not null references access_brands,
    key_id int generated always as identity,
    kind text collate "C" not null check (kind in ('api', 'write')),
    digest bytea not null unique,
    created_at timestamptz not null,
    revoked_at timestamptz,
    primary key (brand_id, key_id)
);

create table access_answers (
    brand_id int not null,
    idempotency_key text collate "C" not null check (char_length(idempotency_key) between 1 and 200),
    request_digest bytea not null,
    status smallint not null,
    body_sealed bytea,
    answered_at timestamptz not null,
    primary key (brand_id, idempotency_key)
);
create index access_answers_age on access_answers (answered_at);

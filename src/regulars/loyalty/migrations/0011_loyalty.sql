-- A brand's programmes, each version as it was written.

create table loyalty_programmes (
    brand_id int not null,
    name text collate "C" not null check (char_length(name) between 1 and 100),
    version int not null check (version > 0),
    written jsonb not null,
    from_at timestamptz not null,
    primary key (brand_id, name, version)
);
comment on column loyalty_programmes.from_at is 'in force until the next version''s';

-- The event history: what has gone from the tail to the lake, which state of the lake is to be read, and what must go.

create sequence history_move_id_seq as bigint;
create sequence history_removal_id_seq as bigint;

-- The pointer, one row a brand: its events are those of the lake at these versions and those of the tail behind
-- moved_to. moving_to runs ahead while a move is on its way: rows up to there are the lake's affair.
create table history_pointers (
    brand_id int primary key,
    moved_to bigint not null default 0,
    moving_to bigint not null default 0,
    events_version bigint,
    lines_version bigint,
    -- When the oldest row that was moved came in: before it there is nothing of which a copy could come.
    first_received_at timestamptz,
    published_at timestamptz,
    check (moving_to >= moved_to)
);

-- A move is written down before the lake is touched: who takes it up again writes the same rows or finds them written.
create table history_moves (
    brand_id int not null,
    move_id bigint not null,
    after_seq bigint not null,
    to_seq bigint not null,
    planned_at timestamptz not null,
    published_at timestamptz,
    dropped_at timestamptz,
    primary key (brand_id, move_id),
    check (to_seq > after_seq)
);
create index history_moves_open on history_moves (move_id) where published_at is null;
create index history_moves_undropped on history_moves (published_at) where dropped_at is null;

-- Canonical names whose rows have a part of their own; only compaction changes them.
create table history_parts (
    brand_id int not null,
    name text collate "C" not null,
    primary key (brand_id, name)
);

-- Which properties the moved events of a name, as it was sent, ever had; null: more than are kept. Fresh events are still
-- in the tail, so that both together are exact.
create table history_properties (
    brand_id int not null,
    name text collate "C" not null,
    properties text[],
    primary key (brand_id, name)
);

-- Properties that have a column of their own in the files that compaction writes, and which column: its slot.
create table history_promotions (
    brand_id int not null,
    slot int not null,
    property text collate "C" not null,
    primary key (brand_id, slot),
    unique (brand_id, property)
);

-- Files that are known to hold such columns, and of which property each is, in the order of slots. A file never changes;
-- of one that is not here all is read from its JSON.
create table history_promoted_files (
    brand_id int not null,
    path text collate "C" not null,
    properties text[] not null,
    primary key (brand_id, path)
);

-- Seqs of later copies, which a move left out.
create table history_repeats (
    brand_id int not null,
    seq bigint not null,
    name text collate "C" not null,
    line_count int not null,
    move_id bigint not null,
    primary key (brand_id, seq)
);

-- Origins of erased members whose events must go: from the table first, then from the disk.
create table history_erasures (
    brand_id int not null,
    origin_id bigint not null,
    asked_at timestamptz not null,
    removal_id bigint,
    removed_at timestamptz,
    vacuumed_at timestamptz,
    primary key (brand_id, origin_id)
);
create index history_erasures_open on history_erasures (brand_id) where vacuumed_at is null;

-- What a removal took out of the lake, so that counts are reduced once.
create table history_removals (
    brand_id int not null,
    removal_id bigint not null,
    seq bigint not null,
    name text collate "C" not null,
    line_count int not null,
    primary key (brand_id, removal_id, seq)
);

-- Counters by which a reader sees that what it remembers of the origin map or of the items is void. New origins need
-- none: they have greater ids.
create table history_epochs (
    brand_id int not null,
    what text collate "C" not null check (what in ('origins', 'items')),
    epoch bigint not null,
    primary key (brand_id, what)
);

create function history_count_change() returns trigger language plpgsql as $$
begin
    insert into history_epochs (brand_id, what, epoch)
    select distinct brand_id, tg_argv[0], 1 from changed order by brand_id
    on conflict (brand_id, what) do update set epoch = history_epochs.epoch + 1;
    return null;
end
$$;

-- Triggers, since nobody who changes these tables may forget to count. Origins change under the brand's lock.
create trigger history_origins_moved after update on members_origins
referencing new table as changed for each statement execute function history_count_change('origins');
create trigger history_origins_gone after delete on members_origins
referencing old table as changed for each statement execute function history_count_change('origins');
create trigger history_items_new after insert on events_items
referencing new table as changed for each statement execute function history_count_change('items');
create trigger history_items_changed after update on events_items
referencing new table as changed for each statement execute function history_count_change('items');
create trigger history_items_gone after delete on events_items
referencing old table as changed for each statement execute function history_count_change('items');

create view facts.tail as
select brand_id, seq, event_id, origin_id, source_id, type, occurred_at, received_at, original_at, sent_at,
    message_id, name, line_count, properties
from events_tail;

create view facts.tail_heads as
select brand_id, next_seq - 1 as head_seq from events_heads;

create view facts.name_counts as
select brand_id, name, event_count, line_count from events_names;

create view facts.event_properties as
select brand_id, name, properties from history_properties;

create view facts.moves as
select brand_id, moved_to, moving_to from history_pointers;

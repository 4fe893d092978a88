-- Named queries of loyalty. One query, one function of the same name in store.py.

-- name: lock_programme
-- Versions of one programme follow each other; one that is not there yet has no row to lock.
select pg_advisory_xact_lock(hashtextextended('programme ' || %(name)s, %(brand_id)s));

-- name: find_programme
select version, written, from_at from loyalty_programmes
where brand_id = %(brand_id)s and name = %(name)s order by version desc limit 1;

-- name: insert_version
-- Events that are being taken meanwhile are judged by it: whoever sees a seq sees all lower ones.
insert into loyalty_programmes (brand_id, name, version, written, from_at, from_seq)
select %(brand_id)s, %(name)s, %(version)s, %(written)s, %(now)s,
    coalesce((select h.head_seq from facts.tail_heads h where h.brand_id = %(brand_id)s), 0);

-- name: list_version_numbers
select p.name, max(p.version) from loyalty_programmes p where p.brand_id = %(brand_id)s group by p.name;

-- name: list_versions
select p.name, p.version, p.from_at, p.from_seq, p.written::text from loyalty_programmes p
where p.brand_id = %(brand_id)s order by p.name, p.version;

-- name: list_newest
select distinct on (p.name) p.name, p.version, p.from_at, p.from_seq, p.written::text from loyalty_programmes p
where p.brand_id = %(brand_id)s order by p.name, p.version desc;

-- name: list_programmes
select distinct on (name) name, version, from_at from loyalty_programmes
where brand_id = %(brand_id)s and name > %(after)s order by name, version desc limit %(limit)s;

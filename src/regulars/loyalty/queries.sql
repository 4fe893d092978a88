-- Named queries of loyalty. One query, one function of the same name in store.py.

-- name: lock_programme
-- Versions of one programme follow each other; one that is not there yet has no row to lock.
select pg_advisory_xact_lock(hashtextextended('programme ' || %(name)s, %(brand_id)s));

-- name: find_programme
select version, written, from_at from loyalty_programmes
where brand_id = %(brand_id)s and name = %(name)s order by version desc limit 1;

-- name: insert_version
insert into loyalty_programmes (brand_id, name, version, written, from_at)
values (%(brand_id)s, %(name)s, %(version)s, %(written)s, %(now)s);

-- name: list_programmes
select distinct on (name) name, version, from_at from loyalty_programmes
where brand_id = %(brand_id)s and name > %(after)s order by name, version desc limit %(limit)s;

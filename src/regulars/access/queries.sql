-- Named queries of access: brands, keys, kept answers.

-- name: insert_brand
insert into access_brands (name, data_key_wrapped, created_at)
values (%(name)s, %(data_key_wrapped)s, %(now)s)
on conflict (name) do nothing
returning brand_id;

-- name: find_brand
select brand_id, name, settings, data_key_wrapped from access_brands where brand_id = %(brand_id)s;

-- name: find_brand_by_name
select brand_id, name, settings, data_key_wrapped from access_brands where name = %(name)s;

-- name: list_brands
select brand_id, name, settings, data_key_wrapped from access_brands order by brand_id;

-- name: insert_key
insert into access_keys (brand_id, kind, digest, created_at)
values (%(brand_id)s, %(kind)s, %(digest)s, %(now)s)
on conflict (digest) do nothing;

-- name: find_key
select k.brand_id, k.key_id
from access_keys k
where k.digest = %(digest)s and k.kind = %(kind)s and k.revoked_at is null;

-- name: replace_settings
update access_brands set settings = %(settings)s where brand_id = %(brand_id)s;

-- name: claim_answer
-- The unique key makes a second request with the same key wait until the first has committed or gone.
insert into access_answers (brand_id, idempotency_key, request_digest, status, answered_at)
values (%(brand_id)s, %(idempotency_key)s, %(request_digest)s, 0, %(now)s)
on conflict (brand_id, idempotency_key) do nothing;

-- name: find_answer
select request_digest, status, body_sealed from access_answers
where brand_id = %(brand_id)s and idempotency_key = %(idempotency_key)s;

-- name: keep_answer
update access_answers set status = %(status)s, body_sealed = %(body_sealed)s
where brand_id = %(brand_id)s and idempotency_key = %(idempotency_key)s;

-- name: delete_answers_of
delete from access_answers where brand_id = %(brand_id)s;

-- name: delete_old_answers
delete from access_answers where answered_at < %(before)s;

-- Named queries of members. One query, one function of the same name in store.py.

-- name: ensure_head
insert into members_heads (brand_id) values (%(brand_id)s) on conflict do nothing;

-- name: lock_head
-- The brand's lock: whoever changes who is who, or assigns numbers that others read in order, holds it until commit.
select identity_epoch from members_heads where brand_id = %(brand_id)s for update;

-- name: forget_origins
update members_heads set identity_epoch = identity_epoch + 1 where brand_id = %(brand_id)s;

-- name: take_member_numbers
update members_heads set next_member_no = next_member_no + %(count)s where brand_id = %(brand_id)s
returning next_member_no - %(count)s;

-- name: take_ids
select nextval('members_member_id_seq'), nextval('members_origin_id_seq') from generate_series(1, %(count)s::int);

-- name: find_identities
select i.kind, i.lookup, i.origin_id, o.member_id
from unnest(%(kinds)b::text[], %(lookups)b::text[]) as asked (kind, lookup)
join members_identities i on i.brand_id = %(brand_id)s and i.kind = asked.kind and i.lookup = asked.lookup
join members_origins o on o.brand_id = i.brand_id and o.origin_id = i.origin_id;

-- name: list_people
-- What joining needs to know of members: how many identities, and whether one is a user_id.
select o.member_id, count(*), bool_or(i.kind = 'user_id')
from members_origins o
join members_identities i on i.brand_id = o.brand_id and i.origin_id = o.origin_id
where o.brand_id = %(brand_id)s and o.member_id = any(%(member_ids)b::bigint[])
group by o.member_id;

-- name: find_erasures
select identity_digest from members_erasures
where brand_id = %(brand_id)s and identity_digest = any(%(digests)b::text[]);

-- name: insert_erasures
insert into members_erasures (brand_id, identity_digest, member_id, erased_at)
select %(brand_id)s, digest, %(member_id)s, %(now)s from unnest(%(digests)b::text[]) as digest
on conflict (brand_id, identity_digest) do nothing;

-- name: delete_erasures
delete from members_erasures where brand_id = %(brand_id)s and identity_digest = any(%(digests)b::text[]);

-- name: insert_members
insert into members_members (brand_id, member_id, member_no, created_at)
select %(brand_id)s, member_id, %(first_no)s + ordinality::int - 1, %(now)s
from unnest(%(member_ids)b::bigint[]) with ordinality as fresh (member_id, ordinality);

-- name: insert_origins
insert into members_origins (brand_id, origin_id, member_id, own_member_id)
select %(brand_id)s, origin_id, member_id, member_id
from unnest(%(origin_ids)b::bigint[], %(member_ids)b::bigint[]) as fresh (origin_id, member_id);

-- name: insert_identities
insert into members_identities (brand_id, kind, lookup, origin_id, value_sealed, last_four, verified, created_at)
select %(brand_id)s, kind, lookup, origin_id, value_sealed, last_four, %(verified)s, %(now)s
from unnest(%(kinds)b::text[], %(lookups)b::text[], %(origin_ids)b::bigint[], %(sealed)b::bytea[], %(last_fours)b::text[])
    as fresh (kind, lookup, origin_id, value_sealed, last_four);

-- name: verify_identity
update members_identities set verified = true
where brand_id = %(brand_id)s and kind = %(kind)s and lookup = %(lookup)s;

-- name: delete_identity
delete from members_identities i using members_origins o
where i.brand_id = %(brand_id)s and i.kind = %(kind)s and i.lookup = %(lookup)s
    and o.brand_id = i.brand_id and o.origin_id = i.origin_id and o.member_id = %(member_id)s;

-- name: list_identities
select o.member_id, i.kind, i.lookup, i.value_sealed, i.verified
from members_origins o
join members_identities i on i.brand_id = o.brand_id and i.origin_id = o.origin_id
where o.brand_id = %(brand_id)s and o.member_id = any(%(member_ids)b::bigint[])
order by o.member_id, i.origin_id;

-- name: insert_conflicts
insert into members_conflicts
    (brand_id, conflict_id, kind, lookup, holder_member_id, claimant_member_id, reason, seen_at)
select %(brand_id)s, nextval('members_conflict_id_seq'), kind, lookup, holder, claimant, reason, %(now)s
from unnest(%(kinds)b::text[], %(lookups)b::text[], %(holders)b::bigint[], %(claimants)b::bigint[], %(reasons)b::text[])
    as fresh (kind, lookup, holder, claimant, reason)
on conflict (brand_id, kind, lookup, holder_member_id, claimant_member_id) do nothing;

-- name: list_conflicts
select c.conflict_id, c.kind, c.lookup, i.value_sealed, c.holder_member_id, c.claimant_member_id, c.reason, c.seen_at
from members_conflicts c
left join members_identities i on i.brand_id = c.brand_id and i.kind = c.kind and i.lookup = c.lookup
where c.brand_id = %(brand_id)s and c.resolved_at is null and c.conflict_id > %(after)s
order by c.conflict_id
limit %(limit)s;

-- name: resolve_conflict
update members_conflicts set resolved_at = %(now)s
where brand_id = %(brand_id)s and conflict_id = %(conflict_id)s and resolved_at is null;

-- name: resolve_conflicts_between
update members_conflicts set resolved_at = %(now)s
where brand_id = %(brand_id)s and resolved_at is null
    and (holder_member_id, claimant_member_id) in (
        select kept, merged from unnest(%(kept)b::bigint[], %(merged)b::bigint[]) as pair (kept, merged)
        union all
        select merged, kept from unnest(%(kept)b::bigint[], %(merged)b::bigint[]) as pair (kept, merged)
    );

-- name: find_members
-- Follows merges: asked for a merged member it gives the one that was kept, under the asked id.
with recursive followed (asked_id, member_id) as (
    select member_id, member_id from unnest(%(member_ids)b::bigint[]) as member_id
    union all
    select f.asked_id, m.merged_into
    from followed f
    join members_members m on m.brand_id = %(brand_id)s and m.member_id = f.member_id and m.state = 'merged'
)
select f.asked_id, m.member_id, m.traits, m.preferences, m.created_at
from followed f
join members_members m on m.brand_id = %(brand_id)s and m.member_id = f.member_id and m.state = 'active';

-- name: list_members
select member_id from members_members
where brand_id = %(brand_id)s and state = 'active' and member_id > %(after)s
order by member_id
limit %(limit)s;

-- name: count_members
select count(*) from members_members where brand_id = %(brand_id)s and state = 'active';

-- name: list_members_by_last_four
select distinct o.member_id
from members_identities i
join members_origins o on o.brand_id = i.brand_id and o.origin_id = i.origin_id
where i.brand_id = %(brand_id)s and i.last_four = %(last_four)s and o.member_id > %(after)s
order by o.member_id
limit %(limit)s;

-- name: list_members_by_bigrams
select member_id from members_name_bigrams
where brand_id = %(brand_id)s and bigram = any(%(bigrams)b::text[]) and member_id > %(after)s
group by member_id
having count(*) = cardinality(%(bigrams)b::text[])
order by member_id
limit %(limit)s;

-- name: lock_members_of_origins
-- In id order, so that two batches cannot deadlock.
select o.origin_id, m.member_id
from members_origins o
join members_members m on m.brand_id = o.brand_id and m.member_id = o.member_id
where o.brand_id = %(brand_id)s and o.origin_id = any(%(origin_ids)b::bigint[])
order by m.member_id
for update of m;

-- name: lock_states
-- In id order, so that two batches cannot deadlock.
select member_id, state, merged_into, traits, traits_set_at, preferences, own from members_members
where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
order by member_id
for update;

-- name: list_children
-- Members merged into these, directly.
select member_id, merged_into from members_members
where brand_id = %(brand_id)s and state = 'merged' and merged_into = any(%(member_ids)b::bigint[])
order by member_id;

-- name: write_states
update members_members m
set traits = fresh.traits::jsonb, traits_set_at = fresh.set_at::jsonb, preferences = fresh.preferences::jsonb,
    own = fresh.own::jsonb
from unnest(%(member_ids)b::bigint[], %(traits)b::text[], %(set_ats)b::text[], %(preferences)b::text[], %(owns)b::text[])
    as fresh (member_id, traits, set_at, preferences, own)
where m.brand_id = %(brand_id)s and m.member_id = fresh.member_id;

-- name: upsert_personal_traits
insert into members_personal_traits (brand_id, member_id, trait, lookup, value_sealed)
select %(brand_id)s, member_id, trait, lookup, value_sealed
from unnest(%(member_ids)b::bigint[], %(traits)b::text[], %(lookups)b::text[], %(sealed)b::bytea[])
    as fresh (member_id, trait, lookup, value_sealed)
on conflict (brand_id, member_id, trait)
do update set lookup = excluded.lookup, value_sealed = excluded.value_sealed;

-- name: delete_personal_traits
delete from members_personal_traits p
using unnest(%(member_ids)b::bigint[], %(traits)b::text[]) as gone (member_id, trait)
where p.brand_id = %(brand_id)s and p.member_id = gone.member_id and p.trait = gone.trait;

-- name: list_personal_traits
select member_id, trait, lookup, value_sealed from members_personal_traits
where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
order by member_id, trait;

-- name: delete_bigrams
delete from members_name_bigrams
where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[]);

-- name: insert_bigrams
insert into members_name_bigrams (brand_id, bigram, member_id)
select %(brand_id)s, bigram, member_id
from unnest(%(bigrams)b::text[], %(member_ids)b::bigint[]) as fresh (bigram, member_id)
on conflict do nothing;

-- name: list_plain_traits
select m.member_id, coalesce((
    select jsonb_object_agg(t.trait, m.traits -> t.trait) from unnest(%(traits)s::text[]) as t (trait)
    where m.traits ? t.trait
), '{}') as traits
from members_members m
where m.brand_id = %(brand_id)s and m.state = 'active' and m.member_id = any(%(member_ids)s::bigint[]);

-- name: list_trait_types
select trait, type, declared, personal, first_arrived_at, last_arrived_at from members_trait_types
where brand_id = %(brand_id)s order by trait;

-- name: upsert_trait_types
insert into members_trait_types (brand_id, trait, type, declared, personal, first_seen_at)
select %(brand_id)s, trait, type, declared, personal, %(now)s
from unnest(%(traits)b::text[], %(types)b::text[], %(declared)s::boolean[], %(personal)s::boolean[])
    as fresh (trait, type, declared, personal)
on conflict (brand_id, trait)
do update set type = excluded.type, declared = excluded.declared, personal = excluded.personal;

-- name: add_arrivals
update members_trait_types t
set arrival_count = t.arrival_count + fresh.arrival_count,
    first_arrived_at = least(t.first_arrived_at, fresh.first_at),
    last_arrived_at = greatest(t.last_arrived_at, fresh.last_at)
from unnest(%(traits)b::text[], %(counts)b::bigint[], %(first_ats)s::timestamptz[], %(last_ats)s::timestamptz[])
    as fresh (trait, arrival_count, first_at, last_at)
where t.brand_id = %(brand_id)s and t.trait = fresh.trait;

-- name: list_members_with_trait
-- Merged members too: an unmerge must not bring an unsealed value back.
select m.member_id from members_members m
where m.brand_id = %(brand_id)s and m.member_id > %(after)s
    and (m.traits ? %(trait)s or m.own -> 'traits' ? %(trait)s or m.own -> 'sealed' ? %(trait)s
        or exists (
            select from members_personal_traits p
            where p.brand_id = m.brand_id and p.member_id = m.member_id and p.trait = %(trait)s
        ))
order by m.member_id
limit %(limit)s;

-- name: upsert_tags
insert into members_tags (brand_id, member_id, tag, weight, evidence, source, expires_at, set_at)
select %(brand_id)s, member_id, tag, weight, evidence, source, expires_at, set_at
from unnest(%(member_ids)b::bigint[], %(tags)b::text[], %(weights)s::float8[], %(evidences)b::text[],
    %(sources)b::text[], %(expires_ats)s::timestamptz[], %(set_ats)s::timestamptz[])
    as fresh (member_id, tag, weight, evidence, source, expires_at, set_at)
on conflict (brand_id, member_id, tag) do update
set weight = excluded.weight, evidence = excluded.evidence, source = excluded.source,
    expires_at = excluded.expires_at, set_at = excluded.set_at;

-- name: delete_tags
delete from members_tags t
using unnest(%(member_ids)b::bigint[], %(tags)b::text[]) as gone (member_id, tag)
where t.brand_id = %(brand_id)s and t.member_id = gone.member_id and t.tag = gone.tag;

-- name: list_tags
select member_id, tag, weight, evidence, source, expires_at, set_at from members_tags
where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
order by member_id, tag;

-- name: insert_consent
-- Of a member in force. The newest word of one person replaces all that was said before, by merged members too.
with replaced as (
    update members_consents set replaced_by_member_id = %(member_id)s
    where brand_id = %(brand_id)s and holder_member_id = %(member_id)s and replaced_by_member_id is null
        and channel = %(channel)s and purpose = %(purpose)s
)
insert into members_consents
    (brand_id, member_id, consent_no, channel, purpose, granted, proof, at, holder_member_id)
select %(brand_id)s, %(member_id)s, coalesce(max(consent_no), 0) + 1,
    %(channel)s, %(purpose)s, %(granted)s, %(proof)s, %(now)s, %(member_id)s
from members_consents where brand_id = %(brand_id)s and member_id = %(member_id)s;

-- name: hand_over_consents
update members_consents c set holder_member_id = pair.kept
from unnest(%(kept)b::bigint[], %(merged)b::bigint[]) as pair (kept, merged)
where c.brand_id = %(brand_id)s and c.holder_member_id = pair.merged;

-- name: give_back_consents
-- member_ids leave together, for to_member_id; among them stays replaced what one of them replaced.
update members_consents
set holder_member_id = %(to_member_id)s,
    replaced_by_member_id = case when replaced_by_member_id = any(%(member_ids)b::bigint[]) then replaced_by_member_id end
where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[]);

-- name: list_consents
select member_id, channel, purpose, granted, at from facts.consents
where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
order by member_id, channel, purpose;

-- name: list_consent_history
select channel, purpose, granted, proof, at from members_consents
where brand_id = %(brand_id)s and holder_member_id = %(member_id)s
order by at, member_id, consent_no;

-- name: insert_merges
insert into members_merges (brand_id, merge_id, kept_member_id, merged_member_id, cause, merged_at)
select %(brand_id)s, nextval('members_merge_id_seq'), kept, merged, %(cause)s, %(now)s
from unnest(%(kept)b::bigint[], %(merged)b::bigint[]) as pair (kept, merged)
returning merged_member_id, merge_id;

-- name: find_merge
select kept_member_id, merged_member_id, undone_at from members_merges
where brand_id = %(brand_id)s and merge_id = %(merge_id)s
for update;

-- name: undo_merge
update members_merges set undone_at = %(now)s where brand_id = %(brand_id)s and merge_id = %(merge_id)s;

-- name: list_undone_pairs
-- Of families: what was taken apart stays apart whoever both sides were merged into since.
with recursive family (root_id, member_id) as (
    select member_id, member_id from unnest(%(member_ids)b::bigint[]) as member_id
    union all
    select f.root_id, m.member_id
    from family f
    join members_members m on m.brand_id = %(brand_id)s and m.merged_into = f.member_id
)
select distinct kept.root_id, merged.root_id
from members_merges u
join family kept on kept.member_id = u.kept_member_id
join family merged on merged.member_id = u.merged_member_id
where u.brand_id = %(brand_id)s and u.undone_at is not null and kept.root_id <> merged.root_id;

-- name: list_merges
select merge_id, kept_member_id, merged_member_id, cause, merged_at, undone_at from members_merges
where brand_id = %(brand_id)s and (kept_member_id = %(member_id)s or merged_member_id = %(member_id)s)
order by merge_id;

-- name: list_rejoined
select p.member_id from members_merges m
cross join lateral (values (m.kept_member_id), (m.merged_member_id)) as p (member_id)
where m.brand_id = %(brand_id)s and (m.merged_at >= %(since)s or m.undone_at >= %(since)s)
group by p.member_id;

-- name: hand_over_origins
update members_origins o set member_id = pair.kept
from unnest(%(kept)b::bigint[], %(merged)b::bigint[]) as pair (kept, merged)
where o.brand_id = %(brand_id)s and o.member_id = pair.merged;

-- name: give_back_origins
update members_origins set member_id = %(to_member_id)s
where brand_id = %(brand_id)s and member_id = %(from_member_id)s and own_member_id = any(%(member_ids)b::bigint[]);

-- name: mark_merged
update members_members m set state = 'merged', merged_into = pair.kept
from unnest(%(kept)b::bigint[], %(merged)b::bigint[]) as pair (kept, merged)
where m.brand_id = %(brand_id)s and m.member_id = pair.merged;

-- name: mark_active
update members_members set state = 'active', merged_into = null
where brand_id = %(brand_id)s and member_id = %(member_id)s;

-- name: lock_families
-- These and all that were ever merged into them, in id order: whoever holds some of them shared waits for none that we hold.
select member_id from members_members
where brand_id = %(brand_id)s and member_id in (
    with recursive family (member_id) as (
        select asked from unnest(%(member_ids)b::bigint[]) as asked
        union
        select m.member_id from family f
        join members_members m on m.brand_id = %(brand_id)s and m.merged_into = f.member_id
    )
    select member_id from family
)
order by member_id
for update;

-- name: list_merged_into
-- Each member and all that were ever merged into it, however indirectly.
with recursive family (kept_id, member_id) as (
    select k.kept_id, k.kept_id from unnest(%(member_ids)b::bigint[]) k (kept_id)
    union
    select f.kept_id, m.member_id from family f
    join members_members m on m.brand_id = %(brand_id)s and m.merged_into = f.member_id
)
select kept_id, member_id from family order by kept_id, member_id;

-- name: mark_erased
update members_members
set state = 'erased', merged_into = null, traits = '{}', traits_set_at = '{}', preferences = '{}', own = null
where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[]);

-- name: delete_identities_of
delete from members_identities i using members_origins o
where i.brand_id = %(brand_id)s and o.brand_id = i.brand_id and o.origin_id = i.origin_id
    and o.member_id = any(%(member_ids)b::bigint[]);

-- name: delete_origins_of
delete from members_origins where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
returning origin_id;

-- name: delete_personal_data
with gone_personal as (
    delete from members_personal_traits where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
), gone_bigrams as (
    delete from members_name_bigrams where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
), gone_tags as (
    delete from members_tags where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[])
), gone_merges as (
    delete from members_merges where brand_id = %(brand_id)s
        and (kept_member_id = any(%(member_ids)b::bigint[]) or merged_member_id = any(%(member_ids)b::bigint[]))
), gone_conflicts as (
    delete from members_conflicts where brand_id = %(brand_id)s
        and (holder_member_id = any(%(member_ids)b::bigint[]) or claimant_member_id = any(%(member_ids)b::bigint[]))
)
delete from members_consents where brand_id = %(brand_id)s and member_id = any(%(member_ids)b::bigint[]);

-- name: insert_disclosure
insert into members_disclosures (brand_id, member_id, disclosed_at, what, recipient)
values (%(brand_id)s, %(member_id)s, %(now)s, %(what)s, %(recipient)s)
on conflict do nothing;

-- name: list_disclosures
select disclosed_at, what, recipient from members_disclosures
where brand_id = %(brand_id)s and member_id = %(member_id)s
order by disclosed_at;

-- What a programme is tried over: DuckDB's views of the history.

-- name: list_events
select o.member_no, e.seq, e.name, e.occurred_at, e.properties
from events e join origins o on o.origin_id = e.origin_id
where e.name in (select unnest($names)) and e.occurred_at <= $now
order by o.member_no, e.occurred_at, e.seq;

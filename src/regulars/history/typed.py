"""The typed columns of events in the engine's own SQL, exactly as `events.vocabulary.canonical_event` reads them.

The engine reads what is plain: numbers of up to 15 digits, texts without escapes, no key twice. All else (hostile, or
just unusual) it marks, and Python reads it: one meaning, at the engine's speed. A test holds both together.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from duckdb import DuckDBPyConnection

from regulars.events import vocabulary
from regulars.events.vocabulary import canonical_event
from regulars.history.layout import DECIMALS, WHOLE_DIGITS_MAX, fixed

DECIMAL: Final = f"DECIMAL({DECIMALS + WHOLE_DIGITS_MAX}, {DECIMALS})"

_EVENT_NUMBERS: Final = {"revenue": vocabulary.REVENUE_KEYS, "quantity": vocabulary.QUANTITY_KEYS}
_EVENT_TEXTS: Final = {
    "order_id": vocabulary.ORDER_ID_KEYS,
    "item_id": vocabulary.ITEM_ID_KEYS,
    "category": vocabulary.CATEGORY_KEYS,
}
_LINE_NUMBERS: Final = {"quantity": vocabulary.QUANTITY_KEYS, "price": vocabulary.PRICE_KEYS}
_LINE_TEXTS: Final = {"item_id": vocabulary.ITEM_ID_KEYS, "category": vocabulary.CATEGORY_KEYS}
HOSTILE_ROWS_AT_ONCE: Final = 10_000

# What a JSON value is for a column: 0 no value, look at the next key; 1 a plain one; 2 one that Python must read.
# A plain number has at most 15 digits, so that it is the shortest text of its double too.
MACROS: Final = r"""
create macro number_kind(v) as case
    when v is null then 0
    when v[1] = '"' then case
        when regexp_full_match(v, '"[+-]?[0-9]{1,9}([.][0-9]{1,6})?"') then 1
        when regexp_matches(v, '[0-9\\]|[^\x00-\x7f]') then 2
        else 0 end
    when contains('-0123456789', v[1]) then case
        when length(v) > 15 or contains(v, 'e') or contains(v, 'E') then 2
        when strpos(v, '.') = 0 then case when length(v) <= 12 then 1 else 2 end
        when length(v) - strpos(v, '.') <= 6 and strpos(v, '.') <= 13 then 1
        else 2 end
    else 0 end;
create macro text_kind(v) as case
    when v is null then 0
    when v[1] = '"' then case when v = '""' then 0 when contains(v, '\') then 2 else 1 end
    when contains('-0123456789', v[1]) then case
        when length(v) > 15 or contains(v, 'e') or contains(v, 'E') or v = '-0' then 2
        when contains(v, '.') then 0
        else 1 end
    else 0 end;
create macro plain_number(v) as case when number_kind(v) = 1 then try_cast(trim(v, '"') as DECIMAL(18, 6)) end;
create macro plain_text(v) as case when text_kind(v) = 1 then case
    when v[1] = '"' then substr(v, 2, length(v) - 2) else v end end;
create macro has_key_twice(v) as len(json_keys(v)) <> list_unique(json_keys(v));
"""


def _pick(kind: str, keys: tuple[str, ...], places: dict[str, int]) -> str:
    """The first key's value that is one."""
    fields = [f"f[{places[key]}]" for key in keys]
    *first, last = fields
    return "".join(f"case when {kind}({field}) <> 0 then {field} else " for field in first) + last + " end" * len(first)


def _typed(source: str, texts: Mapping[str, tuple[str, ...]], numbers: Mapping[str, tuple[str, ...]], json: str) -> str:
    """Every row of `source` with its typed columns from the JSON column, and whether it is hostile."""
    keys = list(dict.fromkeys(key for group in (*texts.values(), *numbers.values()) for key in group))
    places = {key: at for at, key in enumerate(keys, 1)}
    paths = ", ".join(f"'$.\"{key}\"'" for key in keys)
    picks = [f"{_pick('text_kind', group, places)} as {name}_json" for name, group in texts.items()]
    picks += [f"{_pick('number_kind', group, places)} as {name}_json" for name, group in numbers.items()]
    values = [f"plain_text({name}_json) as {name}" for name in texts]
    values += [f"plain_number({name}_json) as {name}" for name in numbers]
    marks = [f"text_kind({name}_json) = 2" for name in texts] + [f"number_kind({name}_json) = 2" for name in numbers]
    return f"""
        select * exclude (f, twice,  {", ".join(f"{name}_json" for name in (*texts, *numbers))}), {", ".join(values)},
            f is null or coalesce(twice, true) or {" or ".join(marks)} as hostile
        from (
            select *, {", ".join(picks)}
            from (
                select *, try(cast(json_extract({json}, [{paths}]) as VARCHAR[])) as f, try(has_key_twice({json})) as twice
                from {source}
            )
        )
    """


EVENTS_SQL: Final = f"create or replace temp table typed as {_typed('raw', _EVENT_TEXTS, _EVENT_NUMBERS, 'properties')}"

# The products of an order: the first of the two keys that holds a list, and of that the objects.
_ENTRIES: Final = """(
    select seq, entry, row_number() over (partition by seq order by place)::INTEGER as line_no
    from (
        select seq, unnest(entries) as entry, generate_subscripts(entries, 1) as place
        from (
            select seq, cast(coalesce(
                case when json_type(properties, '$.products') = 'ARRAY' then json_extract(properties, '$.products') end,
                case when json_type(properties, '$.items') = 'ARRAY' then json_extract(properties, '$.items') end
            ) as JSON[]) as entries
            from typed where line_count > 0 and not hostile
        )
    )
    where json_type(entry) = 'OBJECT'
)"""
LINES_SQL: Final = (
    f"create or replace temp table typed_lines as {_typed(_ENTRIES, _LINE_TEXTS, _LINE_NUMBERS, 'entry')}"
)

# An event whose lines are hostile, or are not as many as the door counted, is read by Python as a whole.
MARK_SQL: Final = """
update typed set hostile = true where seq in (
    select t.seq from typed t left join typed_lines l on l.seq = t.seq
    where t.line_count > 0 and not t.hostile
    group by t.seq, t.line_count
    having coalesce(bool_or(l.hostile), true) or count(l.seq) <> t.line_count
)
"""
FORGET_SQL: Final = "delete from typed_lines where seq in (select seq from typed where hostile)"
FIX_SQL: Final = f"""
update typed set order_id = g.order_id, item_id = g.item_id, category = g.category,
    revenue = cast(g.revenue as {DECIMAL}), quantity = cast(g.quantity as {DECIMAL})
from (select unnest($seq) as seq, unnest($order_id::VARCHAR[]) as order_id, unnest($item_id::VARCHAR[]) as item_id,
    unnest($category::VARCHAR[]) as category, unnest($revenue::VARCHAR[]) as revenue,
    unnest($quantity::VARCHAR[]) as quantity) g
where typed.seq = g.seq
"""
ADD_SQL: Final = f"""
insert into typed_lines by name
select unnest($seq) as seq, unnest($line_no) as line_no, unnest($item_id::VARCHAR[]) as item_id,
    unnest($category::VARCHAR[]) as category, unnest($quantity::VARCHAR[])::{DECIMAL} as quantity,
    unnest($price::VARCHAR[])::{DECIMAL} as price
"""
_EVENT_COLUMNS: Final = ("seq", "order_id", "item_id", "category", "revenue", "quantity")
_LINE_COLUMNS: Final = ("seq", "line_no", "item_id", "category", "quantity", "price")


def type_rows(connection: DuckDBPyConnection) -> None:
    """From the temporary table `raw` (seq, name, line_count, properties, and more) make `typed` and `typed_lines`.

    Shape: typed has raw's columns, order_id, item_id, category, revenue, quantity; typed_lines has seq, line_no, item_id,
    category, quantity, price.
    """
    for statement in (EVENTS_SQL, LINES_SQL, MARK_SQL, FORGET_SQL):
        connection.execute(statement)
    hostile: list[tuple[int, str, str]] = connection.execute(
        "select seq, name, properties from typed where hostile"
    ).fetchall()
    for start in range(0, len(hostile), HOSTILE_ROWS_AT_ONCE):
        _read_hostile(connection, hostile[start : start + HOSTILE_ROWS_AT_ONCE])


def _read_hostile(connection: DuckDBPyConnection, rows: Sequence[tuple[int, str, str]]) -> None:
    events: list[tuple[object, ...]] = []
    lines: list[tuple[object, ...]] = []
    for seq, name, properties in rows:
        event = canonical_event(name, msgspec.json.decode(properties))
        numbers = (_text(event.revenue), _text(event.quantity))
        events.append((seq, event.order_id, event.item_id, event.category, *numbers))
        lines += [
            (seq, line_no, line.item_id, line.category, _text(line.quantity), _text(line.price))
            for line_no, line in enumerate(event.lines, 1)
        ]
    connection.execute(FIX_SQL, _columns(_EVENT_COLUMNS, events))
    if lines:
        connection.execute(ADD_SQL, _columns(_LINE_COLUMNS, lines))


def _columns(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> dict[str, list[object]]:
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _text(number: Decimal | None) -> str | None:
    kept = fixed(number)
    return None if kept is None else f"{kept:f}"

"""Sending: reply, push, multicast, broadcast, narrowcast, and their dry runs.

What counts is the person a request reached, however many of its at most five objects it held; replies are free. Who
blocked the account, or never followed it, or does not exist, gets nothing and counts nothing, and the answer is 200.
Source: Messaging API reference and "Messaging API pricing", read 2026-08; "Retry failed API requests", read 2026-11.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, cast

import msgspec

from regulars.channels.simulator.answers import Answer, json_answer
from regulars.channels.simulator.line.calls import Call, LineRefusal, empty, invalid_property, refuse_body
from regulars.channels.simulator.line.messages import find_message_problems
from regulars.channels.simulator.line.shapes import MAY_NOT_BE_EMPTY, Problem
from regulars.channels.simulator.state.line_account import Accepted, Narrowcast
from regulars.channels.simulator.state.moments import line_day_of, month_of
from regulars.channels.simulator.state.people import Person

MULTICAST_MAX: Final = 500
NARROWCAST_PEOPLE_MIN: Final = 50
NARROWCASTS_MAX: Final = 1000
UNIT_NAMES_MAX: Final = 1000
_RETRY_KEY: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SOMEBODY: Final = re.compile(r"[UCR][0-9a-f]{32}")
_UNIT: Final = re.compile(r"[0-9A-Za-z_]{1,30}")
MONTHLY_LIMIT: Final = "You have reached your monthly limit."


def reply(call: Call) -> Answer:
    """POST /v2/bot/message/reply"""
    if b"x-line-retry-key" in call.headers:
        raise LineRefusal(400, "The X-Line-Retry-Key header is not supported by this API")
    body = call.read()
    token = body.get("replyToken")
    if not isinstance(token, str) or not token:
        raise refuse_body([Problem("replyToken", MAY_NOT_BE_EMPTY)])
    messages = _read_messages(call, body)
    answered = call.account.use_reply_token(token, call.now)
    person = call.account.people.find(answered) if answered else None
    if person is None:
        raise LineRefusal(400, "Invalid reply token")
    call.received.recipients = (person.id,)
    sent = _deliver(call, [person] if person.is_reached else [], messages, kind="reply", counts=False)
    return json_answer({"sentMessages": sent})


def push(call: Call) -> Answer:
    """POST /v2/bot/message/push"""
    body = call.read()
    to = body.get("to")
    if not isinstance(to, str) or not to:
        raise refuse_body([Problem("to", MAY_NOT_BE_EMPTY)])
    call.received.recipients = (to,)
    if (repeated := _answer_repeated(call, "push")) is not None:
        return repeated
    people = _find_people(call, [to], "to")
    messages = _read_messages(call, body)
    _check_units(call, body)
    _spend(call, people)
    sent = _deliver(call, people, messages, kind="push")
    _remember(call, sent)
    return json_answer({"sentMessages": sent})


def multicast(call: Call) -> Answer:
    """POST /v2/bot/message/multicast"""
    body = call.read()
    to: Any = body.get("to")
    if not isinstance(to, list) or not to:
        raise refuse_body([Problem("to", MAY_NOT_BE_EMPTY)])
    ids = cast("list[Any]", to)
    if len(ids) > MULTICAST_MAX:
        raise refuse_body([Problem("to", f"Size must be between 1 and {MULTICAST_MAX}")])
    if any(not isinstance(one, str) or not one for one in ids):
        raise invalid_property("to")
    call.received.recipients = ids
    if (repeated := _answer_repeated(call, "multicast")) is not None:
        return repeated
    people = _find_people(call, list(dict.fromkeys(ids)), "to")
    messages = _read_messages(call, body)
    _check_units(call, body)
    _spend(call, people)
    _deliver(call, people, messages, kind="multicast")
    _remember(call, [])
    return empty()


def broadcast(call: Call) -> Answer:
    """POST /v2/bot/message/broadcast"""
    body = call.read()
    if (repeated := _answer_repeated(call, "broadcast")) is not None:
        return repeated
    messages = _read_messages(call, body)
    people = call.account.people.list_reached()
    _spend(call, people)
    _deliver(call, people, messages, kind="broadcast")
    _remember(call, [])
    return empty()


def narrowcast(call: Call) -> Answer:
    """POST /v2/bot/message/narrowcast

    The simulator has no audience groups and no demography: it takes requests to all friends, limited in number or not.
    """
    body = call.read()
    if (repeated := _answer_repeated(call, "narrowcast")) is not None:
        return repeated
    for name in ("recipient", "filter"):
        if body.get(name) is not None:
            raise refuse_body([Problem(name, "The simulator has no audiences and no demography: send to all friends")])
    messages = _read_messages(call, body)
    people = _limit(call, body.get("limit"))
    if len(call.account.people.list_reached()) < NARROWCAST_PEOPLE_MIN:
        ended = Narrowcast(call.now, 0, len(people), error_code=2)
    else:
        _spend(call, people)
        _deliver(call, people, messages, kind="narrowcast")
        ended = Narrowcast(call.now, len(people), len(people))
    call.account.narrowcasts[call.received.request_id] = ended
    if len(call.account.narrowcasts) > NARROWCASTS_MAX:
        call.account.narrowcasts.popitem(last=False)
    _remember(call, [])
    return empty(202)


def validate(call: Call) -> Answer:
    """POST /v2/bot/message/validate/{reply,push,multicast,narrowcast,broadcast}"""
    _read_messages(call, call.read())
    return empty()


def _answer_repeated(call: Call, endpoint: str) -> Answer | None:
    """409 where the retry key was accepted within 24 hours; None where it is new or there is none.

    Whoever sends a key again with another body is told the same by LINE, and the other body is never sent; here it is
    written down as `key_reused`.
    """
    call.received.body_hash = blake2b(call.body, digest_size=16, person=endpoint.encode()).hexdigest()
    header = call.headers.get(b"x-line-retry-key")
    if header is None:
        return None
    key = header.decode("latin-1")
    if not _RETRY_KEY.fullmatch(key):
        raise LineRefusal(400, "The value of the X-Line-Retry-Key header is invalid")
    call.received.retry_key = key
    accepted = call.account.find_accepted(key.lower(), call.now)
    if accepted is None:
        return None
    call.received.outcome = "duplicate" if accepted.body_hash == call.received.body_hash else "key_reused"
    body: dict[str, Any] = {"message": "The retry key is already accepted"}
    if accepted.sent_messages:
        body["sentMessages"] = accepted.sent_messages
    return json_answer(body, 409, [(b"x-line-accepted-request-id", accepted.request_id.encode())])


def _remember(call: Call, sent: Sequence[dict[str, str]]) -> None:
    received = call.received
    if received.retry_key is not None and received.body_hash is not None:
        accepted = Accepted(received.request_id, received.body_hash, call.now, sent)
        call.account.remember(received.retry_key.lower(), accepted)


def _find_people(call: Call, ids: Sequence[str], name: str) -> list[Person]:
    """Those who will get it. An id that is nobody's is passed over; one that is no id is refused."""
    people: list[Person] = []
    find = call.account.people.find
    for one in ids:
        person = find(one)
        if person is None:
            if not _SOMEBODY.fullmatch(one):
                raise invalid_property(name)
        elif person.is_reached:
            people.append(person)
    return people


def _read_messages(call: Call, body: dict[str, Any]) -> list[dict[str, Any]]:
    problems = find_message_problems(body.get("messages"))
    if problems is not None:
        raise LineRefusal(400, problems[0], details=problems[1])
    messages = cast("list[dict[str, Any]]", body["messages"])
    call.received.objects = len(messages)
    return messages


def _check_units(call: Call, body: dict[str, Any]) -> None:
    units: Any = body.get("customAggregationUnits")
    if units is None:
        return
    named = cast("list[Any]", units) if isinstance(units, list) else []
    if len(named) != 1 or not isinstance(named[0], str) or not _UNIT.fullmatch(named[0]):
        raise refuse_body([Problem("customAggregationUnits", "Size must be between 0 and 1")])
    known = call.account.units.setdefault(month_of(call.now), [])
    if named[0] not in known and len(known) < UNIT_NAMES_MAX:
        known.append(named[0])


def _limit(call: Call, limit: Any) -> list[Person]:
    """The friends a narrowcast goes to; fewer are drawn by chance."""
    people = call.account.people.list_reached()
    limits = cast("dict[str, Any]", limit) if isinstance(limit, dict) else {}
    most: Any = limits.get("max")
    if most is not None and (not isinstance(most, int) or most < 1):
        raise refuse_body([Problem("limit.max", "Must be greater than or equal to 1")])
    quota = _quota(call)
    if limits.get("upToRemainingQuota") is True and quota is not None:
        remaining = max(0, quota - call.account.consumption(call.now))
        most = min(remaining, most if most is not None else remaining)
    return people if most is None or most >= len(people) else call.world.rng.sample(people, most)


def _quota(call: Call) -> int | None:
    own = call.account.own_quota
    return own if own is not None else call.world.faults.quota


def _spend(call: Call, people: Sequence[Person]) -> None:
    """Count the people against the month, all or none. Raises: LineRefusal."""
    quota = _quota(call)
    month = month_of(call.now)
    consumed = call.account.consumed[month]
    if quota is not None and (consumed >= quota or consumed + len(people) > quota):
        raise LineRefusal(429, MONTHLY_LIMIT, "quota")
    call.account.consumed[month] = consumed + len(people)


def _deliver(
    call: Call, people: Sequence[Person], messages: list[dict[str, Any]], *, kind: str, counts: bool = True
) -> list[dict[str, str]]:
    """Put the objects on the phones; the ids LINE gives them, also where nobody sees them."""
    world, received = call.world, call.received
    encoded = [msgspec.json.encode(message) for message in messages]
    sent = [{"id": (number := world.new_message_id()), "quoteToken": f"q{number}"} for _ in messages]
    for person in people:
        if counts:
            person.received += 1
        for identity, payload in zip(sent, encoded, strict=True):
            world.show(
                person,
                payload,
                message_id=identity["id"],
                now=call.now,
                side="account",
                kind=kind,
                channel="line",
                account=call.account.name,
                request=received.number,
            )
    received.counted = len(people) if counts else 0
    call.account.sent_by_day[kind, line_day_of(call.now)] += len(people)
    return sent

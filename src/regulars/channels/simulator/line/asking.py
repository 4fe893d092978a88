"""Asking about the account: quota, consumption, profiles, followers, counts, webhook, content."""

from typing import Any, Final

from regulars.channels.simulator.answers import Answer, json_answer
from regulars.channels.simulator.line.calls import Call, empty, not_found, refuse_body
from regulars.channels.simulator.line.shapes import Problem, address
from regulars.channels.simulator.state.line_account import LINK_TOKEN_SECONDS
from regulars.channels.simulator.state.moments import month_of, show_instant
from regulars.channels.simulator.state.people import Person

FOLLOWERS_MAX: Final = 1000
WEBHOOK_URL_MAX: Final = 500
# LINE demands https; a receiver on this machine has none.
_WEBHOOK = address(WEBHOOK_URL_MAX, "https?", "tel")


def get_quota(call: Call) -> Answer:
    """GET /v2/bot/message/quota"""
    own = call.account.own_quota
    quota = own if own is not None else call.world.faults.quota
    return json_answer({"type": "none"} if quota is None else {"type": "limited", "value": quota})


def get_consumption(call: Call) -> Answer:
    """GET /v2/bot/message/quota/consumption"""
    return json_answer({"totalUsage": call.account.consumption(call.now)})


def get_delivery_count(call: Call) -> Answer:
    """GET /v2/bot/message/delivery/{kind}?date=yyyyMMdd"""
    date = call.query.get("date", "")
    if len(date) != 8 or not date.isdigit():
        raise refuse_body([Problem("date", "Invalid date format")])
    return json_answer({"status": "ready", "success": call.account.sent_by_day[call.parts[0], date]})


def get_narrowcast_progress(call: Call) -> Answer:
    """GET /v2/bot/message/progress/narrowcast?requestId="""
    ended = call.account.narrowcasts.get(call.query.get("requestId", ""))
    if ended is None:
        raise not_found()
    at = show_instant(ended.accepted_at)
    told: dict[str, Any] = {
        "phase": "succeeded" if ended.error_code is None else "failed",
        "successCount": ended.success,
        "failureCount": 0,
        "targetCount": ended.target,
        "acceptedTime": at,
        "completedTime": at,
    }
    if ended.error_code is not None:
        told |= {"errorCode": ended.error_code, "failedDescription": "not enough recipients"}
    return json_answer(told)


def get_unit_count(call: Call) -> Answer:
    """GET /v2/bot/message/aggregation/info"""
    return json_answer({"numOfCustomAggregationUnits": len(call.account.units.get(month_of(call.now), []))})


def list_units(call: Call) -> Answer:
    """GET /v2/bot/message/aggregation/list"""
    return json_answer({"customAggregationUnits": call.account.units.get(month_of(call.now), [])})


def get_info(call: Call) -> Answer:
    """GET /v2/bot/info"""
    account = call.account
    return json_answer(
        {
            "userId": account.user_id,
            "basicId": account.basic_id,
            "displayName": f"regulars {account.name}",
            "chatMode": "bot",
            "markAsReadMode": "auto",
        }
    )


def get_profile(call: Call) -> Answer:
    """GET /v2/bot/profile/{userId}"""
    person = _get_person(call)
    if not person.is_reached:
        raise not_found()
    return json_answer({"userId": person.id, "displayName": person.name, "language": person.language})


def list_followers(call: Call) -> Answer:
    """GET /v2/bot/followers/ids?limit=&start="""
    limit, start = call.query.get("limit", "300"), call.query.get("start", "0")
    if not limit.isdigit() or not 1 <= int(limit[:9]) <= FOLLOWERS_MAX:
        raise refuse_body([Problem("limit", f"Must be between 1 and {FOLLOWERS_MAX}")])
    if not start.isdigit():
        raise refuse_body([Problem("start", "Invalid continuation token")])
    place, order = int(start[:9]), call.account.people.order
    found: list[str] = []
    while place < len(order) and len(found) < int(limit):
        if order[place].is_reached:
            found.append(order[place].id)
        place += 1
    return json_answer({"userIds": found} | ({"next": str(place)} if place < len(order) else {}))


def new_link_token(call: Call) -> Answer:
    """POST /v2/bot/user/{userId}/linkToken"""
    person = _get_person(call)
    token = call.world.new_hex(32)
    tokens = call.account.link_tokens
    for stale in [one for one, (_, until) in tokens.items() if until < call.now]:
        del tokens[stale]
    tokens[token] = (person.id, call.now + LINK_TOKEN_SECONDS)
    return json_answer({"linkToken": token})


def get_content(call: Call) -> Answer:
    """GET /v2/bot/message/{messageId}/content"""
    content = call.account.contents.get(call.parts[0])
    if content is None:
        raise not_found()
    return Answer(200, content, media_type=b"image/png")


def get_transcoding(call: Call) -> Answer:
    """GET /v2/bot/message/{messageId}/content/transcoding"""
    if call.parts[0] not in call.account.contents:
        raise not_found()
    return json_answer({"status": "succeeded"})


def set_webhook(call: Call) -> Answer:
    """PUT /v2/bot/channel/webhook/endpoint"""
    endpoint = call.read().get("endpoint")
    found: list[Problem] = []
    _WEBHOOK(endpoint, "endpoint", found)
    if found:
        raise refuse_body(found)
    call.account.hook.url = str(endpoint)
    call.account.hook.is_active = True
    return empty()


def get_webhook(call: Call) -> Answer:
    """GET /v2/bot/channel/webhook/endpoint"""
    hook = call.account.hook
    if hook.url is None:
        raise not_found("Webhook endpoint not found")
    return json_answer({"endpoint": hook.url, "active": hook.is_active})


def mark_as_read(call: Call) -> Answer:
    """POST /v2/bot/chat/markAsRead, and its predecessor"""
    call.read()
    return empty()


def start_loading(call: Call) -> Answer:
    """POST /v2/bot/chat/loading/start"""
    seconds = call.read().get("loadingSeconds", 20)
    if not isinstance(seconds, int) or not 5 <= seconds <= 60 or seconds % 5:
        raise refuse_body([Problem("loadingSeconds", "Must be a multiple of 5 from 5 to 60")])
    return empty(202)


def _get_person(call: Call) -> Person:
    person = call.account.people.find(call.parts[0])
    if person is None:
        raise not_found()
    return person

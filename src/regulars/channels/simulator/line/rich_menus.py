"""Rich menus: made, given an image once, shown to all or to some, reached by aliases.

Source: Messaging API reference, "Rich menu", read 2026-08.
"""

import re
from collections.abc import Callable
from typing import Any, Final, cast

from regulars.channels.simulator.answers import Answer, json_answer
from regulars.channels.simulator.line.actions import action
from regulars.channels.simulator.line.calls import Call, LineRefusal, empty, invalid_property, not_found, refuse_body
from regulars.channels.simulator.line.pictures import find_picture_size
from regulars.channels.simulator.line.shapes import Found, Problem, boolean, items, need, number, shape, text
from regulars.channels.simulator.state.line_account import LineAccount, RichMenu
from regulars.channels.simulator.state.moments import show_instant

RICH_MENUS_MAX: Final = 1000
AREAS_MAX: Final = 20
IMAGE_BYTES_MAX: Final = 1024 * 1024
WIDTH_MIN, WIDTH_MAX, HEIGHT_MIN, RATIO_MIN = 800, 2500, 250, 1.45
BULK_MAX: Final = 500
OPERATIONS_MAX: Final = 1000
BATCHES_MAX: Final = 1000
_ALIAS: Final = re.compile(r"[0-9a-z_-]{1,32}")


def _has_ratio(size: dict[str, Any], name: str, found: Found) -> None:
    width, height = size.get("width"), size.get("height")
    if isinstance(width, int) and isinstance(height, int) and height > 0 and width / height < RATIO_MIN:
        found.append(Problem(name, f"The aspect ratio must be {RATIO_MIN} or more"))


_BOUNDS: Final = shape({name: need(number(0, WIDTH_MAX, whole=True)) for name in ("x", "y", "width", "height")})
_RICH_MENU: Final = shape(
    {
        "size": need(
            shape(
                {
                    "width": need(number(WIDTH_MIN, WIDTH_MAX, whole=True)),
                    "height": need(number(HEIGHT_MIN, WIDTH_MAX, whole=True)),
                },
                _has_ratio,
            )
        ),
        "selected": need(boolean),
        "name": need(text(300)),
        "chatBarText": need(text(14)),
        "areas": need(
            items(shape({"bounds": need(_BOUNDS), "action": need(action(20, label_required=False))}), 0, AREAS_MAX)
        ),
    }
)


def create(call: Call) -> Answer:
    """POST /v2/bot/richmenu"""
    content = _read_menu(call)
    if len(call.account.rich_menus) >= RICH_MENUS_MAX:
        raise LineRefusal(400, f"You can create up to {RICH_MENUS_MAX} rich menus")
    menu = RichMenu("richmenu-" + call.world.new_hex(32), content)
    call.account.rich_menus[menu.id] = menu
    return json_answer({"richMenuId": menu.id})


def validate(call: Call) -> Answer:
    """POST /v2/bot/richmenu/validate"""
    _read_menu(call)
    return empty()


def list_menus(call: Call) -> Answer:
    """GET /v2/bot/richmenu/list"""
    return json_answer({"richmenus": [_show(menu) for menu in call.account.rich_menus.values()]})


def get(call: Call) -> Answer:
    """GET /v2/bot/richmenu/{richMenuId}"""
    return json_answer(_show(_get_menu(call.account, call.parts[0])))


def delete(call: Call) -> Answer:
    """DELETE /v2/bot/richmenu/{richMenuId}"""
    account, menu = call.account, _get_menu(call.account, call.parts[0])
    del account.rich_menus[menu.id]
    if account.default_rich_menu == menu.id:
        account.default_rich_menu = None
    for person in account.people.order:
        if person.rich_menu == menu.id:
            person.rich_menu = None
    call.world.version += 1
    return empty()


def upload(call: Call) -> Answer:
    """POST /v2/bot/richmenu/{richMenuId}/content, at api-data.line.me"""
    menu = _get_menu(call.account, call.parts[0])
    media_type = call.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
    if media_type not in ("image/png", "image/jpeg"):
        raise LineRefusal(415, f"The content type, {media_type[:60]}, is not supported")
    if menu.image is not None:
        raise LineRefusal(400, "An image has already been uploaded to the richmenu")
    if len(call.body) > IMAGE_BYTES_MAX:
        raise LineRefusal(413, "The image is larger than 1 MB")
    size = find_picture_size(call.body)
    if size is None:
        raise LineRefusal(400, "The image is neither a PNG nor a JPEG")
    if size != (menu.content["size"]["width"], menu.content["size"]["height"]):
        raise LineRefusal(400, f"The image is {size[0]}x{size[1]}, which is not the size of the richmenu")
    menu.image, menu.image_type = call.body, media_type
    call.world.version += 1
    return empty()


def download(call: Call) -> Answer:
    """GET /v2/bot/richmenu/{richMenuId}/content"""
    menu = _get_menu(call.account, call.parts[0])
    if menu.image is None:
        raise not_found("no image is uploaded to the richmenu")
    return Answer(200, menu.image, media_type=menu.image_type.encode())


def set_default(call: Call) -> Answer:
    """POST /v2/bot/user/all/richmenu/{richMenuId}"""
    call.account.default_rich_menu = _get_ready(call.account, call.parts[0]).id
    call.world.version += 1
    return empty()


def get_default(call: Call) -> Answer:
    """GET /v2/bot/user/all/richmenu"""
    if call.account.default_rich_menu is None:
        raise not_found("no default richmenu")
    return json_answer({"richMenuId": call.account.default_rich_menu})


def cancel_default(call: Call) -> Answer:
    """DELETE /v2/bot/user/all/richmenu"""
    call.account.default_rich_menu = None
    call.world.version += 1
    return empty()


def link(call: Call) -> Answer:
    """POST /v2/bot/user/{userId}/richmenu/{richMenuId}"""
    user, menu = call.parts
    _link(call, [user], _get_ready(call.account, menu).id)
    return empty()


def get_linked(call: Call) -> Answer:
    """GET /v2/bot/user/{userId}/richmenu"""
    person = call.account.people.find(call.parts[0])
    if person is None or person.rich_menu is None:
        raise not_found("the user has no richmenu")
    return json_answer({"richMenuId": person.rich_menu})


def unlink(call: Call) -> Answer:
    """DELETE /v2/bot/user/{userId}/richmenu"""
    _link(call, [call.parts[0]], None)
    return empty()


def bulk_link(call: Call) -> Answer:
    """POST /v2/bot/richmenu/bulk/link"""
    body = call.read()
    menu = _get_ready(call.account, str(body.get("richMenuId")))
    _link(call, _read_ids(body), menu.id)
    return empty(202)


def bulk_unlink(call: Call) -> Answer:
    """POST /v2/bot/richmenu/bulk/unlink"""
    _link(call, _read_ids(call.read()), None)
    return empty(202)


def batch(call: Call) -> Answer:
    """POST /v2/bot/richmenu/batch"""
    for change in _read_operations(call):
        change()
    call.world.version += 1
    call.account.batches[call.received.request_id] = call.now
    if len(call.account.batches) > BATCHES_MAX:
        call.account.batches.popitem(last=False)
    return empty(202)


def validate_batch(call: Call) -> Answer:
    """POST /v2/bot/richmenu/validate/batch"""
    _read_operations(call)
    return empty()


def get_batch_progress(call: Call) -> Answer:
    """GET /v2/bot/richmenu/progress/batch?requestId=; a batch here is done when it is answered."""
    accepted_at = call.account.batches.get(call.query.get("requestId", ""))
    if accepted_at is None:
        raise not_found()
    at = show_instant(accepted_at)
    return json_answer({"phase": "succeeded", "acceptedTime": at, "completedTime": at})


def create_alias(call: Call) -> Answer:
    """POST /v2/bot/richmenu/alias"""
    body = call.read()
    alias, menu = body.get("richMenuAliasId"), _get_ready(call.account, str(body.get("richMenuId")))
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
        raise invalid_property("richMenuAliasId")
    if alias in call.account.aliases:
        raise LineRefusal(400, "conflict richmenu alias id")
    call.account.aliases[alias] = menu.id
    return empty()


def list_aliases(call: Call) -> Answer:
    """GET /v2/bot/richmenu/alias/list"""
    aliases = call.account.aliases.items()
    return json_answer({"aliases": [{"richMenuAliasId": alias, "richMenuId": menu} for alias, menu in aliases]})


def get_alias(call: Call) -> Answer:
    """GET /v2/bot/richmenu/alias/{richMenuAliasId}"""
    return json_answer({"richMenuAliasId": call.parts[0], "richMenuId": _get_aliased(call)})


def update_alias(call: Call) -> Answer:
    """POST /v2/bot/richmenu/alias/{richMenuAliasId}"""
    _get_aliased(call)
    call.account.aliases[call.parts[0]] = _get_ready(call.account, str(call.read().get("richMenuId"))).id
    return empty()


def delete_alias(call: Call) -> Answer:
    """DELETE /v2/bot/richmenu/alias/{richMenuAliasId}"""
    _get_aliased(call)
    del call.account.aliases[call.parts[0]]
    return empty()


def find_shown(account: LineAccount, linked: str | None) -> RichMenu | None:
    """The menu a person sees: their own before the default."""
    chosen = account.rich_menus.get(linked or "") or account.rich_menus.get(account.default_rich_menu or "")
    return chosen if chosen is not None and chosen.image is not None else None


def _read_menu(call: Call) -> dict[str, Any]:
    content, found = call.read(), list[Problem]()
    _RICH_MENU(content, "", found)
    if found:
        raise refuse_body(found)
    return {name: content[name] for name in ("size", "selected", "name", "chatBarText", "areas")}


def _read_ids(body: dict[str, Any]) -> list[str]:
    ids: Any = body.get("userIds")
    if not isinstance(ids, list) or not 1 <= len(cast("list[Any]", ids)) <= BULK_MAX:
        raise refuse_body([Problem("userIds", f"Size must be between 1 and {BULK_MAX}")])
    return [str(one) for one in cast("list[Any]", ids)]


def _read_operations(call: Call) -> list[Callable[[], None]]:
    operations: Any = call.read().get("operations")
    if not isinstance(operations, list) or not 1 <= len(cast("list[Any]", operations)) <= OPERATIONS_MAX:
        raise refuse_body([Problem("operations", f"Size must be between 1 and {OPERATIONS_MAX}")])
    return [_read_operation(call, one, at) for at, one in enumerate(cast("list[Any]", operations))]


def _read_operation(call: Call, operation: Any, at: int) -> Callable[[], None]:
    fields = cast("dict[str, Any]", operation) if isinstance(operation, dict) else {}
    kind, origin, target = fields.get("type"), fields.get("from"), fields.get("to")
    if kind not in ("link", "unlink", "unlinkAll"):
        values = "Must be one of the following values: [link, unlink, unlinkAll]"
        raise refuse_body([Problem(f"operations[{at}].type", values)])
    if kind != "unlinkAll":
        _get_menu(call.account, str(origin))
    new = _get_ready(call.account, str(target)).id if kind == "link" else None

    def change() -> None:
        for person in call.account.people.order:
            if person.rich_menu is not None and (kind == "unlinkAll" or person.rich_menu == origin):
                person.rich_menu = new

    return change


def _link(call: Call, ids: list[str], menu: str | None) -> None:
    for person in call.account.people.find_all(ids):
        person.rich_menu = menu
    call.world.version += 1


def _show(menu: RichMenu) -> dict[str, Any]:
    return {"richMenuId": menu.id, **menu.content}


def _get_menu(account: LineAccount, menu_id: str) -> RichMenu:
    menu = account.rich_menus.get(menu_id)
    if menu is None:
        raise not_found("richmenu not found")
    return menu


def _get_ready(account: LineAccount, menu_id: str) -> RichMenu:
    menu = _get_menu(account, menu_id)
    if menu.image is None:
        raise LineRefusal(400, "must upload richmenu image before applying it to user")
    return menu


def _get_aliased(call: Call) -> str:
    menu = call.account.aliases.get(call.parts[0])
    if menu is None:
        raise not_found("richmenu alias not found")
    return menu

"""Writing, changing and taking back messages.

Source: core.telegram.org/bots/api "Available methods" and "Updating messages", read 2026-11. Lengths are counted after
entities are parsed.
"""

from typing import Any, Final

import msgspec

from regulars.channels.simulator.answers import Answer
from regulars.channels.simulator.line.pictures import find_picture_size
from regulars.channels.simulator.state.people import Bubble, Person
from regulars.channels.simulator.telegram.calls import (
    PHOTO_BYTES_MAX,
    Call,
    TelegramRefusal,
    as_list,
    as_object,
    bad_request,
    ok,
)
from regulars.channels.simulator.telegram.chats import keep_message, show_message, start_message
from regulars.channels.simulator.telegram.entities import EntitiesInvalid, parse_text, strip_text
from regulars.channels.simulator.telegram.keyboards import read_markup

TEXT_MAX: Final = 4096
CAPTION_MAX: Final = 1024
ALBUM_MIN, ALBUM_MAX = 2, 10
DELETE_MAX: Final = 100
_COPIED: Final = ("text", "entities", "photo", "_photo_url", "caption", "caption_entities")


def send_message(call: Call) -> Answer:
    """sendMessage"""
    text = _read_text(call, "text", TEXT_MAX)
    if not text:
        raise bad_request("message text is empty")
    markup = read_markup(call)
    return ok(_write(call, call.get_reached_chat(), text | _shown(markup), "sendMessage"))


def send_photo(call: Call) -> Answer:
    """sendPhoto"""
    caption = _captioned(_read_text(call, "caption", CAPTION_MAX))
    markup = read_markup(call)
    chat = call.get_reached_chat()
    photo = _read_photo(call, call.text("photo"), "photo")
    return ok(_write(call, chat, photo | caption | _shown(markup), "sendPhoto"))


def send_media_group(call: Call) -> Answer:
    """sendMediaGroup, of photos"""
    media = as_list(call.structure("media"))
    if not ALBUM_MIN <= len(media) <= ALBUM_MAX:
        raise bad_request("there are no media in the request" if not media else "wrong number of media in an album")
    contents: list[dict[str, Any]] = []
    for entry in map(as_object, media):
        if entry.get("type") != "photo":
            raise bad_request("the simulator's albums are of photos")
        name = str(entry.get("media", ""))
        text, entities = _parse(str(entry.get("caption", "")), entry.get("parse_mode"), entry.get("caption_entities"))
        if len(text) > CAPTION_MAX:
            raise bad_request("message caption is too long")
        caption = _captioned({"text": text, "entities": entities} if text else {})
        contents.append(_read_photo(call, name, name.removeprefix("attach://")) | caption)
    chat = call.get_reached_chat()
    album = str(call.world.rng.getrandbits(60))
    written = [_write(call, chat, one | {"media_group_id": album}, "sendMediaGroup") for one in contents]
    call.received.counted = 1
    return ok(written)


def copy_message(call: Call) -> Answer:
    """copyMessage"""
    source = call.bot.people.find(call.text("from_chat_id") or "")
    original = call.bot.messages.get((source.id, call.whole("message_id") or 0)) if source else None
    if original is None:
        raise bad_request("message to copy not found")
    kept = {name: value for name, value in original.read().items() if name in _COPIED}
    message = _write(call, call.get_reached_chat(), kept | _shown(read_markup(call)), "copyMessage")
    return ok({"message_id": message["message_id"]})


def edit_text(call: Call) -> Answer:
    """editMessageText"""
    bubble, message = _get_own(call, "edit")
    if "text" not in message:
        raise bad_request("there is no text in the message to edit")
    text = _read_text(call, "text", TEXT_MAX)
    if not text:
        raise bad_request("message text is empty")
    return _change(call, bubble, message, text, ("text", "entities", "reply_markup"))


def edit_caption(call: Call) -> Answer:
    """editMessageCaption"""
    bubble, message = _get_own(call, "edit")
    if "photo" not in message:
        raise bad_request("there is no caption in the message to edit")
    caption = _captioned(_read_text(call, "caption", CAPTION_MAX))
    return _change(call, bubble, message, caption, ("caption", "caption_entities", "reply_markup"))


def edit_markup(call: Call) -> Answer:
    """editMessageReplyMarkup"""
    bubble, message = _get_own(call, "edit")
    return _change(call, bubble, message, {}, ("reply_markup",))


def delete_message(call: Call) -> Answer:
    """deleteMessage"""
    chat = call.get_chat()
    number = call.whole("message_id") or 0
    if not _delete(call, chat, number):
        raise bad_request("message to delete not found")
    return ok(True)


def delete_messages(call: Call) -> Answer:
    """deleteMessages: those that are not there are passed over"""
    chat = call.get_chat()
    numbers = as_list(call.structure("message_ids"))
    if not 1 <= len(numbers) <= DELETE_MAX:
        raise bad_request("wrong number of message identifiers")
    for number in numbers:
        _delete(call, chat, int(number) if isinstance(number, int) else 0)
    return ok(True)


def _write(call: Call, chat: Person, content: dict[str, Any], kind: str) -> dict[str, Any]:
    message = start_message(call.bot, chat, call.now, by_bot=True) | content
    keep_message(call.world, call.bot, chat, message, now=call.now, kind=kind, request=call.received.number)
    chat.received += 1
    call.received.objects += 1
    call.received.counted = 1
    return show_message(message)


def _read_text(call: Call, name: str, most: int) -> dict[str, Any]:
    """The text and its entities as the message shows them; empty where there is none."""
    given = call.structure("caption_entities" if name == "caption" else "entities")
    text, entities = _parse(call.text(name) or "", call.text("parse_mode"), given)
    if len(text) > most:
        raise bad_request("message caption is too long" if name == "caption" else "message is too long")
    return ({"text": text} | ({"entities": entities} if entities else {})) if text else {}


def _parse(text: str, mode: object, given: object) -> tuple[str, list[dict[str, Any]]]:
    try:
        parsed, entities = parse_text(text, None if mode is None else str(mode))
    except EntitiesInvalid as error:
        told = str(error)
        raise bad_request(told if told.startswith("unsupported") else f"can't parse entities: {told}") from error
    return strip_text(parsed, entities or [as_object(one) for one in as_list(given)])


def _captioned(text: dict[str, Any]) -> dict[str, Any]:
    names = {"text": "caption", "entities": "caption_entities"}
    return {names[name]: value for name, value in text.items() if value}


def _shown(markup: dict[str, Any] | None) -> dict[str, Any]:
    """A message shows its inline keyboard; others stand below the chat and are kept beside it."""
    if markup is None:
        return {}
    return {"reply_markup": markup} if "inline_keyboard" in markup else {"_keyboard": markup}


def _read_photo(call: Call, given: str | None, field: str) -> dict[str, Any]:
    """A photo that is uploaded, named by its file id, or fetched from a URL, which is not fetched here."""
    upload = call.uploads.get((given or field).removeprefix("attach://"))
    if upload is not None:
        if len(upload.content) > PHOTO_BYTES_MAX:
            raise TelegramRefusal(413, "Request Entity Too Large")
        size = find_picture_size(upload.content)
        if size is None:
            raise bad_request("IMAGE_PROCESS_FAILED")
        file_id = "photo-" + call.world.new_hex(24)
        call.bot.keep_file(file_id, upload.media_type, upload.content)
        return {"photo": [_show_photo(file_id, size, len(upload.content))]}
    if not given:
        raise bad_request("there is no photo in the request")
    if given in call.bot.files:
        content = call.bot.files[given][1]
        return {"photo": [_show_photo(given, find_picture_size(content) or (1, 1), len(content))]}
    if not given.startswith(("http://", "https://")):
        raise bad_request("wrong remote file identifier specified: Wrong string length")
    return {"photo": [_show_photo("url-" + call.world.new_hex(24), (1280, 1280), 0)], "_photo_url": given}


def _show_photo(file_id: str, size: tuple[int, int], length: int) -> dict[str, Any]:
    unique = file_id.rpartition("-")[2][:16]
    return {"file_id": file_id, "file_unique_id": unique, "width": size[0], "height": size[1], "file_size": length}


def _get_own(call: Call, deed: str) -> tuple[Bubble, dict[str, Any]]:
    chat = call.get_chat()
    bubble = call.bot.messages.get((chat.id, call.whole("message_id") or 0))
    if bubble is None:
        raise bad_request(f"message to {deed} not found")
    if bubble.side != "account":
        raise bad_request(f"message can't be {deed}ed")
    return bubble, bubble.read()


def _change(
    call: Call, bubble: Bubble, message: dict[str, Any], content: dict[str, Any], gone: tuple[str, ...]
) -> Answer:
    kept = {name: value for name, value in message.items() if name not in gone}
    changed = kept | content | _shown(read_markup(call))
    if changed == message or {**changed, "edit_date": 0} == {**message, "edit_date": 0}:
        told = (
            "specified new message content and reply markup are exactly the same as a current content and reply markup"
        )
        raise bad_request(f"message is not modified: {told} of the message")
    changed["edit_date"] = int(call.now)
    bubble.payload, bubble.edited = msgspec.json.encode(changed), True
    call.world.version += 1
    return ok(show_message(changed))


def _delete(call: Call, chat: Person, number: int) -> bool:
    bubble = call.bot.messages.pop((chat.id, number), None)
    if bubble is None:
        return False
    if bubble in chat.bubbles:
        chat.bubbles.remove(bubble)
    call.world.version += 1
    return True

"""line-bot-sdk and aiogram as they are published drive the simulator; what they parse is what was meant.

Importing the two takes seconds, so this runs long.
"""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.channels.simulator.driving import KEY, Served, listen, make_png

pytestmark = pytest.mark.long
RICH_MENU = {
    "size": {"width": 1200, "height": 800},
    "selected": True,
    "name": "main",
    "chatBarText": "選單",
    "areas": [
        {
            "bounds": {"x": 0, "y": 0, "width": 600, "height": 800},
            "action": {"type": "postback", "label": "點數", "data": "points"},
        }
    ],
}


@contextmanager
def line_client(served: Served) -> Iterator[Any]:
    from linebot.v3 import messaging

    settings = messaging.Configuration(host=served.url, access_token=served.world.line["main"].token)
    with messaging.ApiClient(settings) as client:
        yield client


def test_line_bot_sdk_sends_and_retries(served: Served) -> None:
    from linebot.v3 import messaging

    served.control("POST", "people", {"channel": "line", "ids": ["s1", "s2"]})
    served.control("PUT", "faults", {"quota": 5})
    text = messaging.TextMessage(text="您好")
    with line_client(served) as client:
        api = messaging.MessagingApi(client)
        push = messaging.PushMessageRequest(to="s1", messages=[text] * 5)
        sent = api.push_message(push, x_line_retry_key=KEY)
        with pytest.raises(messaging.ApiException) as caught:
            api.push_message(push, x_line_retry_key=KEY)
        assert caught.value.status == 409
        assert caught.value.headers["x-line-accepted-request-id"]
        assert sent.sent_messages[0].id in caught.value.body
        api.multicast(messaging.MulticastRequest(to=["s1", "s2"], messages=[text], customAggregationUnits=["c1"]))
        assert api.get_message_quota().value == 5
        assert api.get_message_quota_consumption().total_usage == 3
        assert api.get_aggregation_unit_name_list(limit="10", start=None).custom_aggregation_units == ["c1"]
        with pytest.raises(messaging.ApiException, match="monthly limit"):
            for _ in range(3):
                api.push_message(messaging.PushMessageRequest(to="s2", messages=[text]))
        api.validate_push(messaging.ValidateMessageRequest(messages=[text]))
        assert api.get_bot_info().chat_mode == "bot"
        assert api.get_followers().user_ids == ["s1", "s2"]
    served.control("PUT", "faults", {"quota": None})


def test_line_bot_sdk_makes_rich_menus(served: Served) -> None:
    from linebot.v3 import messaging

    served.control("POST", "people", {"channel": "line", "ids": ["r1"]})
    with line_client(served) as client:
        api, blobs = messaging.MessagingApi(client), messaging.MessagingApiBlob(client)
        menu = api.create_rich_menu(messaging.RichMenuRequest.from_dict(RICH_MENU)).rich_menu_id
        headers = {"Content-Type": "image/png"}
        blobs.set_rich_menu_image(menu, body=make_png(), _headers=headers)
        assert bytes(blobs.get_rich_menu_image(menu)) == make_png()
        api.set_default_rich_menu(menu)
        api.link_rich_menu_id_to_user("r1", menu)
        assert api.get_rich_menu_id_of_user("r1").rich_menu_id == menu
        assert api.get_rich_menu(menu).chat_bar_text == "選單"
        api.link_rich_menu_id_to_users(messaging.RichMenuBulkLinkRequest(richMenuId=menu, userIds=["r1"]))
        api.create_rich_menu_alias(messaging.CreateRichMenuAliasRequest(richMenuAliasId="a", richMenuId=menu))
        assert [one.rich_menu_alias_id for one in api.get_rich_menu_alias_list().aliases] == ["a"]
        api.delete_rich_menu(menu)


def test_the_sdks_parser_verifies_every_event(served: Served) -> None:
    from linebot.v3 import messaging
    from linebot.v3.webhook import WebhookParser

    picture = base64.b64encode(make_png()).decode()
    served.control("POST", "people", {"channel": "line", "ids": ["w1"]})
    action = messaging.PostbackAction(label="好", data="yes", displayText="好")
    template = messaging.ButtonsTemplate(text="好嗎", actions=[action])
    with line_client(served) as client, listen() as heard:
        api, blobs = messaging.MessagingApi(client), messaging.MessagingApiBlob(client)
        api.set_webhook_endpoint(messaging.SetWebhookEndpointRequest(endpoint=heard.url))
        assert api.test_webhook_endpoint().success
        message = messaging.TemplateMessage(altText="好嗎", template=template)
        api.push_message(messaging.PushMessageRequest(to="w1", messages=[message]))
        who = {"channel": "line", "id": "w1"}
        for deed, more in (
            ("say", {"text": "您好"}), ("say", {"image": picture}), ("press", {"label": "好"}), ("block", {}),
            ("unblock", {}), ("event", {"event": {"type": "notYetInvented"}}),
        ):  # fmt: skip
            served.control("POST", deed, {**who, **more})
        heard.wait_for(7)
        parser = WebhookParser(served.world.line["main"].secret)
        parsed = [parser.parse(body.decode(), headers["x-line-signature"]) for headers, body in heard.requests]
        events = [event for part in parsed for event in part]
        assert [event.type for event in events] == [
            "message", "message", "postback", "unfollow", "follow", "notYetInvented",
        ]  # fmt: skip
        assert bytes(blobs.get_message_content(events[1].message.id)) == make_png()
        assert events[4].follow.is_unblocked is True
        reply = messaging.ReplyMessageRequest(
            replyToken=events[0].reply_token, messages=[messaging.TextMessage(text="有")]
        )
        assert len(api.reply_message(reply).sent_messages) == 1
        with pytest.raises(messaging.ApiException, match="Invalid reply token"):
            api.reply_message(reply)
        served.control("PUT", "webhook", {"channel": "line", "url": None})


def test_aiogram_sends_edits_and_polls(served: Served) -> None:
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError, TelegramRetryAfter
    from aiogram.types import BufferedInputFile, InlineKeyboardButton, InlineKeyboardMarkup, InputMediaPhoto

    served.control("POST", "people", {"channel": "telegram", "ids": ["901", "902", "@aio"]})
    served.control("POST", "block", {"channel": "telegram", "id": "902"})
    buttons = [[InlineKeyboardButton(text="收藏", callback_data="like")]]

    async def drive() -> None:
        api = TelegramAPIServer.from_base(served.url)
        async with Bot(served.world.telegram["main"].token, session=AiohttpSession(api=api)) as bot:
            await bot.delete_webhook(drop_pending_updates=True)
            assert (await bot.get_me()).is_bot
            sent = await bot.send_message(
                901, "<b>您好</b>", parse_mode="HTML", reply_markup=InlineKeyboardMarkup(inline_keyboard=buttons)
            )
            assert sent.entities is not None and sent.entities[0].type == "bold"
            photo = await bot.send_photo(901, BufferedInputFile(make_png(), "a.png"), caption="鞋")
            assert photo.photo is not None and photo.photo[-1].width == 1200
            file = await bot.get_file(photo.photo[-1].file_id)
            content = await bot.download(file)
            assert content is not None and content.read() == make_png()
            album = [InputMediaPhoto(media="https://example.com/a.jpg"), InputMediaPhoto(media=photo.photo[-1].file_id)]
            assert len(await bot.send_media_group(901, media=album)) == 2
            assert (await bot.send_message("@aio", "新品")).chat.type == "channel"
            edited = await bot.edit_message_text("再見", chat_id=901, message_id=sent.message_id)
            assert not isinstance(edited, bool) and edited.text == "再見"
            assert await bot.delete_message(901, sent.message_id)
            with pytest.raises(TelegramForbiddenError, match="blocked by the user"):
                await bot.send_message(902, "x")
            with pytest.raises(TelegramBadRequest, match="chat not found"):
                await bot.send_message(999, "x")
            again = await bot.send_message(901, "選", reply_markup=InlineKeyboardMarkup(inline_keyboard=buttons))
            served.control("POST", "press", {"channel": "telegram", "id": "901", "label": "收藏"})
            updates = await bot.get_updates(timeout=2)
            query = updates[-1].callback_query
            assert query is not None and query.message is not None
            assert (query.data, query.message.message_id) == ("like", again.message_id)
            assert await bot.answer_callback_query(query.id)
            served.control("PUT", "faults", {"rate_limited": 1})
            with pytest.raises(TelegramRetryAfter) as caught:
                await bot.send_message(901, "x")
            assert caught.value.retry_after == 1
            served.control("PUT", "faults", {"rate_limited": 0})

    asyncio.run(drive())


def test_aiogram_reads_every_update(served: Served) -> None:
    from aiogram.types import Update

    served.control("POST", "people", {"channel": "telegram", "ids": ["911"]})
    with listen() as heard:
        served.telegram("setWebhook", {"url": heard.url, "secret_token": "s-2", "drop_pending_updates": True})
        who = {"channel": "telegram", "id": "911"}
        served.control("POST", "follow", {**who, "payload": "abc"})
        served.control("POST", "block", who)
        served.control("POST", "unblock", who)
        heard.wait_for(3)
        served.telegram("deleteWebhook")
    updates = [Update.model_validate(body) for body in heard.bodies()]
    assert updates[0].message is not None and updates[0].message.text == "/start abc"
    changes = [one.my_chat_member for one in updates[1:]]
    assert [one.new_chat_member.status for one in changes if one] == ["kicked", "member"]

"""The simulated mail server: mails are taken and logged, none is kept."""

import asyncio
import random
import smtplib
import socket
from datetime import UTC, datetime
from email.message import EmailMessage

from regulars.channels.simulator.mail import open_mail
from regulars.channels.simulator.state.world import World, make_world

AT = datetime(2026, 10, 20, 8, tzinfo=UTC)


def send(port: int, *recipients: str) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "本週鮮奶", "news@example.com"
    mail.set_content("鮮奶到貨了。")
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        assert client.send_message(mail, to_addrs=recipients) == {}


async def send_two(world: World) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = await open_mail(world, listening)
    try:
        await asyncio.to_thread(send, port, "a@example.com")
        await asyncio.to_thread(send, port, "b@example.com", "c@example.com")
    finally:
        server.close()


def test_each_mail_is_logged_at_the_worlds_instant() -> None:
    world = make_world(lambda: AT, 1, random.Random)
    asyncio.run(send_two(world))
    received, _ = world.log.list_page({"channel": "email"}, 0, 10)
    assert [list(one.recipients) for one in received] == [["a@example.com"], ["b@example.com", "c@example.com"]]
    assert [one.counted for one in received] == [1, 2]
    assert {one.at for one in received} == {AT.timestamp()}
    assert world.log.totals["email", "mail", "accepted"] == 2

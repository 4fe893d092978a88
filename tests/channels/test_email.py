"""Mail: what is written, what signs it, what a server's replies mean by how far a mail had come, and what comes back."""

import asyncio
import base64
import email
import email.policy
import ssl
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from regulars.channels.email.adapter import EmailChannel
from regulars.channels.email.settings import MailSettings, Server, Signing, is_address, to_wire
from regulars.channels.email.statuses import is_address_dead
from regulars.messaging.errors import WebhookRefused, WebhookUnreadable
from regulars.messaging.ports import Button, Buttons, Content, HappeningKind, Image, Outcome, Request, Result, Text
from tests.channels import faulty
from tests.channels.contents import HELLO, KINDS, OPEN
from tests.channels.post import Post, dies_after, open_post

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
KEY = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
ADA = "ada@example.org"
LEAVE = {
    "List-Unsubscribe": "<https://shop.example/u/tok>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def mail(url: str = "smtp://127.0.0.1:25", **settings: Any) -> EmailChannel:
    given = {"sender": "萬華鞋店 <shop@example.com>"} | settings
    return EmailChannel(MailSettings(Server.parse(url), **given), lambda: NOW)


def render(content: Content, address: str = ADA, headers: Mapping[str, str] = LEAVE, **settings: Any) -> EmailMessage:
    told = email.message_from_bytes(
        mail(**settings).render(KEY, content, [address], headers).body, policy=email.policy.default
    )
    assert isinstance(told, EmailMessage)
    return told


def parts(message: EmailMessage) -> tuple[str, str]:
    """Plain text and HTML."""
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and html is not None
    return text.get_content(), html.get_content()


# --- rendering ------------------------------------------------------------------------------------------------------


def test_a_mail_has_its_headers_a_text_and_the_same_as_html() -> None:
    message = render(KINDS["all"], reply_to="Ada <ada@shop.example>")
    assert message.defects == []
    assert message.get_content_type() == "multipart/alternative"
    assert message["From"] == "萬華鞋店 <shop@example.com>"
    assert (message["To"], message["Subject"], message["Reply-To"]) == (ADA, "新品 & 折扣", "Ada <ada@shop.example>")
    assert message["Message-ID"] == f"<{KEY.hex}@example.com>"
    assert message["Date"].datetime == NOW
    assert message["List-Unsubscribe"] == "<https://shop.example/u/tok>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text, html = parts(message)
    for said in (
        "看 https://example.com/a?b=1&c=2 <b>",
        "看看: https://example.com/heels",
        "ABC-123",
        "https://shop.example/u/tok",
    ):
        assert said in text
    assert '看 <a href="https://example.com/a?b=1&amp;c=2">https://example.com/a?b=1&amp;c=2</a> &lt;b&gt;' in html
    assert '<a href="https://example.com/heels"' in html
    assert '<img src="https://example.com/1.png"' in html
    assert '<a href="https://shop.example/u/tok"' in html


@pytest.mark.parametrize("name", KINDS)
def test_every_block_can_be_told_in_a_mail_or_is_named(name: str) -> None:
    content = KINDS[name]
    troubles = mail().check(content)
    presses = name in ("buttons", "many buttons", "cards")
    assert [trouble.code for trouble in troubles] == (["url_needed"] * len(troubles))
    assert bool(troubles) == presses
    text, html = parts(render(content))
    assert text.strip() and html.strip()


def test_troubles_have_their_places() -> None:
    content = Content((Text("a"), Image("data:image/png;base64,x"), Buttons("b", (OPEN, Button("x", data="1")))))
    assert [(one.path, one.code) for one in mail().check(content)] == [
        ("/blocks/1/url", "address_invalid"),
        ("/blocks/2/buttons/1/url", "url_needed"),
    ]
    wrong = Content((Buttons("b", (Button("x", url="javascript:alert(1)"),)),))
    assert [one.code for one in mail().check(wrong)] == ["address_invalid"]


def test_a_subject_is_what_is_said_first_where_none_is_given() -> None:
    assert render(HELLO)["Subject"] == "您好，新品上市了 👠".replace("上市", "到")
    assert render(Content((Text("a long line " * 20),)))["Subject"].endswith("…")
    assert render(Content((Text("x"),), subject="two\r\nBcc: eve@example.org"))["Subject"] == "two Bcc: eve@example.org"
    assert render(Content((Text("x"),), subject="two\r\nBcc: eve@example.org"))["Bcc"] is None


def test_the_same_request_is_the_same_bytes() -> None:
    for content in KINDS.values():
        assert mail().render(KEY, content, [ADA], LEAVE) == mail().render(KEY, content, [ADA], LEAVE)


def test_a_long_subject_and_name_are_folded_and_read_back() -> None:
    for long in ("跟鞋上市了 👠 " * 15, "a plain subject " * 15, "x" * 240):
        subject = " ".join(long.split())
        channel = mail(sender=f"{'萬華鞋店' * 8} <shop@example.com>")
        body = channel.render(KEY, Content((Text("x"),), subject=subject), [ADA], {}).body
        assert all(len(line) <= 78 or line.isascii() for line in body.split(b"\r\n")[:12])
        told = email.message_from_bytes(body)
        assert str(make_header(decode_header(told["Subject"]))) == subject
        assert str(make_header(decode_header(told["From"]))) == f"{'萬華鞋店' * 8} <shop@example.com>"
    assert [one.path for one in mail().check(Content((Text("x"),), subject="x" * 251))] == ["/subject"]


def test_a_name_in_ascii_is_quoted_where_it_must_be() -> None:
    (told,) = render(HELLO, sender="Heels, Boots & Co. <shop@example.com>")["From"].addresses
    assert (told.display_name, told.addr_spec) == ("Heels, Boots & Co.", "shop@example.com")


def test_a_long_address_to_unsubscribe_stays_one() -> None:
    address = f"https://shop.example/u/{'t' * 300}"
    request = mail().render(KEY, HELLO, [ADA], {"List-Unsubscribe": f"<{address}>"})
    assert f"List-Unsubscribe: <{address}>\r\n".encode() in request.body
    assert all(len(line) <= 998 for line in request.body.split(b"\r\n")), "RFC 5322, section 2.1.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("List-Unsubscribe", "<https://a.example>\r\nBcc: eve@example.org"),
        ("List-Unsubscribe", "a\nb"),
        ("List-Unsubscribe", "a\0b"),
        ("List-Unsubscribe", "取消"),
        ("X: y\r\nBcc", "eve@example.org"),
        ("Bcc", "eve@example.org"),
        ("To", "eve@example.org"),
        ("", "x"),
    ],
)
def test_a_header_that_would_add_others_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"header|value"):
        mail().render(KEY, HELLO, [ADA], {name: value})


@pytest.mark.parametrize(
    "address",
    [
        "a@b.c\r\nBcc: eve@example.org",
        "a@b.c,eve@example.org",
        "<a@b.c>",
        "a b@c.d",
        "@c.d",
        "a@",
        "a@b@c.d",
        "a..b@c.d",
    ],
)
def test_an_address_that_is_none_reaches_nobody(address: str) -> None:
    request = mail().render(KEY, HELLO, [address], {})
    assert b"eve@example.org" not in request.body
    result = asyncio.run(mail().send(request))
    assert (result.outcome, result.reason, result.blocked_addresses) == (Outcome.REJECTED, "invalid", (address,))
    assert not is_address(address)


def test_domains_beyond_ascii_are_written_as_dns_knows_them() -> None:
    assert to_wire("鞋@例え.jp") == "鞋@xn--r8jz45g.jp"
    assert render(HELLO, "info@例え.jp")["To"] == "info@xn--r8jz45g.jp"


# --- signing --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signing() -> tuple[Signing, bytes]:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Signing("example.com", "s1", key), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


@pytest.mark.parametrize("name", KINDS)
def test_dkimpy_verifies_every_mail(signing: tuple[Signing, bytes], name: str) -> None:
    signed, record = signing
    raw = mail(signing=signed).render(KEY, KINDS[name], [ADA], LEAVE).body
    asked: list[bytes] = []

    def answer(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    assert dkim.verify(raw, dnsfunc=answer)
    assert asked == [b"s1._domainkey.example.com."]
    for before, after in (
        (b"Subject: ", b"Subject: x"),
        (b"One-Click", b"Two-Click"),
        (b"/u/tok", b"/u/tik"),
        (b"\r\n\r\n", b"\r\n\r\nx"),
        (b"MIME-Version", b"From: eve@example.org\r\nMIME-Version"),
    ):
        assert not dkim.verify(raw.replace(before, after, 1), dnsfunc=answer), before


def test_a_signature_covers_the_unsubscribe_headers(signing: tuple[Signing, bytes]) -> None:
    signature = str(render(HELLO, signing=signing[0])["DKIM-Signature"]).lower().replace(" ", "")
    signed = signature.split("h=")[1].split(";")[0].split(":")
    assert {"from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post"} <= set(signed)


# --- sending --------------------------------------------------------------------------------------------------------


def send(channel: EmailChannel, *requests: Request) -> list[Result]:
    async def run() -> list[Result]:
        results = [await channel.send(request) for request in requests]
        await channel.close()
        return results

    return asyncio.run(run())


def send_one(post: Post, address: str = ADA, **settings: Any) -> Result:
    channel = mail(post.url, **settings)
    (result,) = send(channel, channel.render(KEY, HELLO, [address], LEAVE))
    return result


def test_a_mail_arrives_as_it_was_rendered() -> None:
    with open_post() as post:
        channel = mail(post.url, return_path="bounces@example.com")
        request = channel.render(KEY, KINDS["all"], [ADA], LEAVE)
        (result,) = send(channel, request)
        assert (result.outcome, result.status) == (Outcome.ACCEPTED, 250)
        assert post.taken == [(f"bounces+{KEY.hex}@example.com", ADA, request.body)]


def test_one_connection_takes_many_mails_and_a_refusal_between_them() -> None:
    with open_post() as post:
        post.refusals["gone@example.org"] = "550 5.1.1 no such mailbox"
        channel = mail(post.url)
        addresses = ["a@example.org", "gone@example.org", "b@example.org"]
        results = send(channel, *(channel.render(uuid.uuid4(), HELLO, [one], {}) for one in addresses))
        assert [one.outcome for one in results] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
        assert [recipient for _, recipient, _ in post.taken] == ["a@example.org", "b@example.org"]
        assert post.connections == 1


@pytest.mark.parametrize(
    ("command", "answer", "outcome", "reason", "is_blocked"),
    [
        ("RCPT", "550 no such mailbox", Outcome.REJECTED, "bounced", True),
        ("RCPT", "550 5.1.1 no such mailbox", Outcome.REJECTED, "bounced", True),
        ("RCPT", "552 5.2.2 mailbox full", Outcome.REJECTED, "bounced", False),
        ("RCPT", "550 5.7.1 policy", Outcome.REJECTED, "bounced", False),
        ("RCPT", "450 4.2.0 greylisted", Outcome.RETRY, "deferred", False),
        ("RCPT", "421 4.3.2 too busy", Outcome.RETRY, "deferred", False),
        ("MAIL", "550 5.7.1 not from you", Outcome.REJECTED, "sender_refused", False),
        ("MAIL", "451 4.3.0 later", Outcome.RETRY, "deferred", False),
        ("DATA", "554 5.7.1 spam", Outcome.REJECTED, "bounced", False),
        ("DATA", "451 4.3.0 later", Outcome.RETRY, "deferred", False),
    ],
)
def test_every_refusal_has_one_meaning(
    command: str, answer: str, outcome: Outcome, reason: str, is_blocked: bool
) -> None:
    with open_post() as post:
        post.refusals[command] = answer
        result = send_one(post)
        assert (result.outcome, result.reason) == (outcome, reason)
        assert result.blocked_addresses == ((ADA,) if is_blocked else ())
        assert result.detail == answer
        assert (result.retry_after_seconds is not None) == (outcome is Outcome.RETRY)
        assert post.taken == []


@pytest.mark.parametrize(
    ("command", "outcome", "reason"),
    [
        (b"EHLO", Outcome.RETRY, "unreachable"),
        (b"MAIL", Outcome.RETRY, "disconnected"),
        (b"RCPT", Outcome.RETRY, "disconnected"),
        (b".", Outcome.UNKNOWN, "no_reply"),
    ],
)
def test_a_lost_connection_is_uncertain_only_after_the_mail(command: bytes, outcome: Outcome, reason: str) -> None:
    async def run() -> Result:
        async with dies_after(command) as url:
            channel = mail(url)
            result = await channel.send(channel.render(KEY, HELLO, [ADA], {}))
            await channel.close()
            return result

    result = asyncio.run(run())
    assert (result.outcome, result.reason) == (outcome, reason)


def test_a_connection_that_died_while_idle_is_made_anew() -> None:
    async def run() -> list[Outcome]:
        async with dies_after(b"MAIL", times=0) as url:
            channel = mail(url)
            outcomes = [(await channel.send(channel.render(KEY, HELLO, [ADA], {}))).outcome]
            for idle in channel._pool._idle:  # pyright: ignore[reportPrivateUsage]
                idle.client.transport.abort()  # type: ignore[union-attr]
            outcomes.append((await channel.send(channel.render(KEY, HELLO, [ADA], {}))).outcome)
            await channel.close()
            return outcomes

    assert asyncio.run(run()) == [Outcome.ACCEPTED, Outcome.ACCEPTED]


def test_a_server_that_cannot_be_reached_is_tried_again() -> None:
    for url in (f"smtp://127.0.0.1:{faulty.free_port()}", "smtp://no-such-host.invalid"):
        channel = mail(url)
        (result,) = send(channel, channel.render(KEY, HELLO, [ADA], {}))
        assert (result.outcome, result.reason) == (Outcome.RETRY, "unreachable")


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_who_logs_in_is_let_in_and_a_wrong_password_is_told_without_it() -> None:
    with open_post(login=(b"shop", b"p@ss word")) as post:
        good = post.url.replace("smtp://", "smtp://shop:p%40ss%20word@")
        channel = mail(good)
        (result,) = send(channel, channel.render(KEY, HELLO, [ADA], {}))
        assert result.outcome is Outcome.ACCEPTED
        wrong = mail(post.url.replace("smtp://", "smtp://shop:hunter2@"))
        (result,) = send(wrong, wrong.render(KEY, HELLO, [ADA], {}))
        assert (result.outcome, result.reason) == (Outcome.REJECTED, "unauthorized")
        state = asyncio.run(wrong.probe())
        assert not state.ok
        assert "hunter2" not in str(result) + str(state)


def test_tls_that_is_not_there_is_insisted_on() -> None:
    with open_post() as post:
        for scheme in ("smtps", "smtp+starttls"):
            channel = mail(post.url.replace("smtp:", f"{scheme}:"))
            (result,) = send(channel, channel.render(KEY, HELLO, [ADA], {}))
            assert (result.outcome, result.reason) == (Outcome.RETRY, "unreachable"), scheme
        assert post.taken == []
    assert ssl.HAS_TLSv1_2


def test_the_probe_says_whether_the_server_takes_mails() -> None:
    with open_post() as post:
        state = asyncio.run(mail(post.url).probe())
        assert (state.ok, state.name) == (True, "shop@example.com")
    assert not asyncio.run(mail(post.url).probe()).ok


# --- what comes back ------------------------------------------------------------------------------------------------


def report(
    kind: str, fields: str, *, to: str = f"bounces+{KEY.hex}@example.com", date: str = "Mon, 01 Jun 2026 08:00:00 +0000"
) -> bytes:
    media = "delivery-status" if kind == "delivery-status" else "feedback-report"
    return (
        f"From: MAILER-DAEMON@mx.example.org\r\nTo: {to}\r\nDate: {date}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: text/plain\r\n\r\nsorry\r\n--b\r\nContent-Type: message/{media}\r\n\r\n{fields}\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: shop@example.com\r\nTo: ada@example.org\r\nSubject: x\r\n\r\nhi\r\n--b--\r\n"
    ).encode()  # fmt: skip


def dsn(*recipients: str) -> bytes:
    return report("delivery-status", "\r\n".join(["Reporting-MTA: dns; mx.example.org", "", *recipients]))


FAILED = "Final-Recipient: rfc822; ada@example.org\r\nAction: failed\r\nStatus: {}\r\nDiagnostic-Code: smtp; {}\r\n"
SECRET = {"Authorization": "Bearer hook"}


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (dsn(FAILED.format("5.1.1", "550 5.1.1 no such user")), ["bounced"]),
        (dsn(FAILED.format("5.0.0", "550 user unknown")), ["bounced"]),
        (dsn(FAILED.format("5.2.2", "552 5.2.2 full")), ["other"]),
        (dsn(FAILED.format("5.7.1", "550 5.7.1 spam")), ["other"]),
        (dsn(FAILED.format("4.4.1", "timeout").replace("failed", "delayed")), ["other"]),
        (dsn(FAILED.format("2.0.0", "250 ok").replace("failed", "delivered")), ["other"]),
        (dsn(FAILED.format("5.1.1", "x"), FAILED.format("5.1.1", "y").replace("ada@", "bob@")), ["bounced", "bounced"]),
        (report("feedback-report", "Feedback-Type: abuse\r\nOriginal-Rcpt-To: <ada@example.org>\r\n"), ["complained"]),
        (report("feedback-report", "Feedback-Type: abuse\r\nUser-Agent: x\r\n"), ["complained"]),
        (report("feedback-report", "Feedback-Type: not-spam\r\nOriginal-Rcpt-To: ada@example.org\r\n"), ["other"]),
        (dsn(), []),
    ],
)
def test_reports_are_read(body: bytes, kinds: list[str]) -> None:
    channel = mail(webhook_secret="hook")
    happenings = channel.read_webhook(SECRET, body)
    assert [one.kind for one in happenings] == kinds
    assert len({one.key for one in happenings}) == len(kinds)
    assert [one.key for one in channel.read_webhook(SECRET, body)] == [one.key for one in happenings]
    for one, address in zip(happenings, [ADA, "bob@example.org"], strict=False):
        assert (one.address, one.data) == (address, KEY.hex)
        assert one.at == datetime(2026, 6, 1, 8, tzinfo=UTC)


def test_the_original_recipient_is_whom_we_wrote_to() -> None:
    body = dsn(
        "Original-Recipient: rfc822;ada@example.org\r\n"
        + FAILED.format("5.1.1", "x").replace("ada@example.org", "box7@mx")
    )
    (told,) = mail(webhook_secret="hook").read_webhook(SECRET, body)
    assert (told.kind, told.address) == (HappeningKind.BOUNCED, ADA)


def test_a_report_is_never_from_the_future() -> None:
    for date in ("Tue, 01 Dec 2099 08:00:00 +0000", "soon", ""):
        (told,) = mail(webhook_secret="hook").read_webhook(
            SECRET, report("feedback-report", "Feedback-Type: abuse\r\nOriginal-Rcpt-To: a@b.cd\r\n", date=date)
        )
        assert told.at == NOW


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer other"}, {"authorization": "hook"}])
def test_who_does_not_know_the_secret_may_not_report(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRefused):
        mail(webhook_secret="hook").read_webhook(headers, dsn(FAILED.format("5.1.1", "x")))
    with pytest.raises(WebhookRefused):
        mail().read_webhook({"authorization": "Bearer None"}, b"")


@pytest.mark.parametrize(
    "body", [b"", b"Subject: hi\r\n\r\nhello", b"\xff\xfe", b"Content-Type: multipart/report\r\n\r\nx"]
)
def test_what_is_no_report_is_unreadable(body: bytes) -> None:
    with pytest.raises(WebhookUnreadable):
        mail(webhook_secret="hook").read_webhook(SECRET, body)


def test_which_refusals_mean_that_an_address_is_dead() -> None:
    dead = {"5.1.1", "5.1.2", "5.1.10", "5.2.1", "5.4.4", "5.0.0", "5.5.0"}
    alive = {"5.2.2", "5.2.3", "5.3.4", "5.6.1", "5.7.1", "5.7.26", "4.1.1", "2.0.0"}
    assert {one for one in dead | alive if is_address_dead(one)} == dead
    assert [is_address_dead(None, code) for code in (550, 551, 553, 552, 554, 421, None)] == [True] * 3 + [False] * 4

"""Part 3 of the plan, the paragraph Channels, line by line and from outside.

Who is who is said in each test; a person here is a new member with a LINE id, a chat or an address of its own.
Webhooks are signed in the test's own words, as the vendor's pages say. What is spelled here where contract.md says
nothing: `POST /api/members/{id}/link-tokens {"channel"}` answers `{"token","url"}`, the payload of a deep link; `GET
/api/channels/{name}` answers what PUT does and, on LINE, `quota {"included","used"}` as last read back; `PUT
/api/channels/{name}` of kind email takes `dkim {"domain","selector","private_key"}`, the key as PEM.
"""

import base64
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.sending import (
    Post,
    Sender,
    Simulator,
    follow,
    line_event,
    make_person,
    member_update,
    new_group,
    open_post,
    start_update,
)
from tests.support.serving import Serving, wait_until

pytestmark = pytest.mark.long  # plans are made and sent here: too much for every run

HOOK_SECONDS_MAX = 2
TOLD_SECONDS_MAX = 10


@pytest.fixture(scope="module")
def mailing(sender: Sender) -> Iterator[tuple[Sender, Post]]:
    """The brand with a channel `mail`, and the server it sends to."""
    with open_post() as post:
        sender.put_mail(post)
        yield sender, post


def wait_consent(sender: Sender, identity: str, channel: str, granted: bool) -> None:
    told = f"{identity} has said {granted} on {channel}"
    wait_until(lambda: sender.find_consent(identity, channel) is granted, told, TOLD_SECONDS_MAX)


# --- put ------------------------------------------------------------------------------------------------------------


# «contract: `PUT /api/channels/{name}` → `{name, kind, state, webhook_url}`; secrets are never answered»
def test_a_channel_is_put_and_its_secrets_are_never_answered(sender: Sender) -> None:
    told = sender.put_line("line-shown")
    assert (told["name"], told["kind"]) == ("line-shown", "line")
    assert told["state"] and "/webhooks/line-shown" in told["webhook_url"]
    assert sender.put_line("line-shown")["webhook_url"] == told["webhook_url"], "every write is idempotent"
    bot = sender.put_telegram("tg-shown")
    listed = sender.request("GET", "/api/channels", headers={"Authorization": f"Bearer {sender.api_key}"})
    assert {"line-shown", "tg-shown"} <= {one["name"] for one in listed.json()["channels"]}
    secrets = [
        sender.simulator.line["access_token"],
        sender.simulator.line["secret"],
        sender.simulator.telegram["token"],
    ]
    for secret in [*secrets, sender.secret]:
        for answer in (str(told), str(bot), listed.text):
            assert secret not in answer


# «LINE (several accounts; …)»
def test_two_line_accounts_of_two_providers(sender: Sender) -> None:
    """Somebody has one LINE id with the provider main and another with `other`; each account writes to its own."""
    sender.put_line("line-other", provider="other")
    one, other = sender.add_one(on=("line-main",)), make_person().line
    path = f"/api/members/{one.id}/identities/line%40other/{other}"
    sender.ask("PUT", path, {})
    sender.simulator.add_people("line", [other])
    sender.consent(one, "line-other")
    assert sender.single(one, "由主帳號")["state"] == "accepted"
    assert sender.single(one, "由另一帳號", "line-other")["state"] == "accepted"
    for line, mine, others in ((one.line, "由主帳號", "由另一帳號"), (other, "由另一帳號", "由主帳號")):
        texts = " ".join(sender.simulator.read_texts(line))
        assert mine in texts and others not in texts
    stranger = sender.add_one(on=("line-main",))
    sender.consent(stranger, "line-other")
    assert sender.single(stranger, "誰", "line-other")["reason"] == "unreachable", (
        "an id of another provider reaches nobody"
    )


# --- LINE -----------------------------------------------------------------------------------------------------------


# «LINE (… follow/unfollow)»
def test_follow_grants_and_unfollow_suppresses(sender: Sender) -> None:
    """Contract: «a signed LINE `follow` … grants `marketing` on that channel; `unfollow`/block suppresses it»"""
    one = sender.add_one(consent=False)
    assert sender.single(one)["reason"] == "no_consent"
    assert sender.hook_line(follow(one.line)).status_code == 200
    wait_consent(sender, f"line:{one.line}", "line-main", True)
    assert sender.single(one)["state"] == "accepted"
    assert sender.hook_line(line_event("unfollow", one.line)).status_code == 200
    wait_until(lambda: sender.single(one)["state"] == "refused", "an unfollow counts", TOLD_SECONDS_MAX)
    assert sender.single(one)["reason"] in {"suppressed", "unreachable"}


# «LINE (… 2-second webhooks … follow/unfollow); signed webhooks back»
def test_a_phone_that_blocks_and_unblocks_is_heard(sender: Sender) -> None:
    """Through the simulator: it signs, regulars verifies."""
    one = sender.add_one()
    sender.register_webhooks()
    sender.simulator.act("block", "line", one.line)
    wait_until(lambda: sender.single(one)["state"] == "refused", "a block is heard", TOLD_SECONDS_MAX)
    sender.simulator.act("unblock", "line", one.line)
    wait_until(lambda: sender.single(one)["state"] == "accepted", "an unblock is heard", TOLD_SECONDS_MAX)


# «Bad input: wrong channel secret … named before anything is sent»
def test_a_wrong_signature_is_refused_and_changes_nothing(sender: Sender) -> None:
    """Also a right signature over other bytes, and none at all."""
    one = sender.add_one(consent=False)
    refused = sender.hook_line(follow(one.line), secret="not the secret")
    assert refused.status_code == 401 and "signature" in refused.text
    assert sender.http.post(sender.webhooks["line-main"], json={"events": [follow(one.line)]}).status_code == 401
    other = sender.hook_telegram(start_update(one.telegram), secret="wrong")
    assert other.status_code == 401
    time.sleep(0.3)
    assert sender.find_consent(f"line:{one.line}", "line-main") is None
    assert sender.find(f"telegram:{one.telegram}") is None


# «LINE (… 2-second webhooks, redelivery, unknown event types tolerated)»
def test_unknown_events_redelivery_and_the_verify_button(sender: Sender) -> None:
    """Followed, unfollowed, and the follow delivered again: it happened before, so the member stays suppressed."""
    one = sender.add_one(consent=False)
    assert sender.hook_line().status_code == 200, "no events: the console's Verify button"
    first = follow(one.line)
    started = time.monotonic()
    answer = sender.hook_line(line_event("teleported", one.line, teleport={"to": "moon"}), first)
    assert answer.status_code == 200 and time.monotonic() - started < HOOK_SECONDS_MAX
    wait_consent(sender, f"line:{one.line}", "line-main", True)
    sender.hook_line(line_event("unfollow", one.line))
    wait_until(lambda: sender.single(one)["state"] == "refused", "the unfollow counts", TOLD_SECONDS_MAX)
    again = {**first, "deliveryContext": {"isRedelivery": True}, "replyToken": "other"}
    assert sender.hook_line(again).status_code == 200
    time.sleep(0.5)
    assert sender.single(one)["state"] == "refused"


# «**LINE** (… push, multicast in 500s …)»
def test_one_text_to_many_is_one_multicast_and_a_personal_one_is_a_push(sender: Sender) -> None:
    same, own = new_group(), new_group()
    people = sender.add(3, group=same)
    sender.run(sender.put_campaign(same, message={"zh-TW": {"text": "大家好"}}))
    (request,) = sender.simulator.list_requests([one.line for one in people])
    assert request.path.endswith("/message/multicast") and request.key
    assert sorted(request.recipients) == sorted(one.line for one in people)
    named = sender.add(3, group=own, traits=lambda number: {"pet": f"pet {number}"})
    sender.run(sender.put_campaign(own, message={"zh-TW": {"text": "{{ member.traits.pet }}好"}}))
    pushes = sender.simulator.list_requests([one.line for one in named])
    assert [one.path.rpartition("/")[2] for one in pushes] == ["push"] * 3
    assert len({one.key for one in pushes}) == 3, "one X-Line-Retry-Key per request"


@pytest.mark.long
# «**LINE** (… multicast in 500s …)»
def test_501_members_are_two_multicasts(sender: Sender) -> None:
    group = new_group()
    people = sender.add(501, group=group)
    sender.run(sender.put_campaign(group, message={"zh-TW": {"text": "大家好"}}))
    requests = sender.simulator.list_requests([one.line for one in people])
    assert sum(len(one.recipients) for one in requests) == 501
    assert all(len(one.recipients) <= 500 for one in requests) and len(requests) <= 3


# «**LINE** (… the three 429s …)»
@pytest.mark.long
def test_a_rate_limit_delays_and_refuses_nobody(sender: Sender) -> None:
    """Five requests a second are taken; each of twenty personal pushes gets through, once."""
    group = new_group()
    people = sender.add(20, group=group, traits=lambda number: {"pet": f"pet {number}"})
    campaign = sender.put_campaign(group, message={"zh-TW": {"text": "{{ member.traits.pet }}好"}})
    with sender.simulator.faults(rate_per_second=5):
        done = sender.run(campaign)
    assert done["progress"] == {"accepted": 20}
    assert [len(sender.simulator.list_messages(one.line)) for one in people] == [1] * 20


# «**LINE** (… quota and consumption read back and reconciled …)»
def test_what_others_sent_from_the_account_counts(counted: Sender) -> None:
    """Another program pushes three messages; of five that are included two are left for the plan."""
    outsider, before = counted.add_one(), counted.simulator.get_usage()
    assert [counted.simulator.push(outsider.line, "由他處").status_code for _ in range(3)] == [200] * 3
    counted.simulator.set_quota(before + 5)
    counted.limit("line-main", before + 5)
    counted.put_line()
    quota = counted.ask("GET", "/api/channels/line-main")["quota"]
    assert (quota["included"], quota["used"]) == (before + 5, before + 3)
    group = new_group()
    people = counted.add(5, group=group)
    plan = counted.run(counted.put_campaign(group))
    assert plan["summary"]["messages"] == 2
    assert sum(len(counted.simulator.list_messages(one.line)) for one in people) == 2
    assert counted.simulator.get_usage() == before + 5


# --- Telegram -------------------------------------------------------------------------------------------------------


# «**Telegram** (… deep-link start as one-tap identity link …)»
def test_start_with_a_token_links_the_chat_to_the_member(sender: Sender) -> None:
    """The token works once: the next who shows it becomes nobody they are not."""
    one = sender.add_one()
    link = sender.ask("POST", f"/api/members/{one.id}/link-tokens", {"channel": "tg"}, status=200)
    assert link["url"].endswith(f"?start={link['token']}")
    sender.simulator.add_people("telegram", [one.telegram])
    assert sender.hook_telegram(start_update(one.telegram, link["token"])).status_code == 200
    wait_consent(sender, f"telegram:{one.telegram}", "tg", True)
    assert sender.member(f"telegram:{one.telegram}")["id"] == one.id
    sent = sender.single(one, "點數到了", "tg")
    assert sent["state"] == "accepted"
    assert "點數到了" in " ".join(sender.simulator.read_texts(one.telegram))
    thief = make_person()
    sender.hook_telegram(start_update(thief.telegram, link["token"]))
    time.sleep(0.5)
    found = sender.find(f"telegram:{thief.telegram}")
    assert found is None or found["id"] != one.id


# «Telegram (… `my_chat_member` as block/unblock …)»
def test_my_chat_member_blocks_and_unblocks(sender: Sender) -> None:
    one = sender.add_one(on=("tg",))
    assert sender.single(one, channel="tg")["state"] == "accepted"
    assert sender.hook_telegram(member_update(one.telegram, "member", "kicked")).status_code == 200
    wait_until(lambda: sender.single(one, channel="tg")["state"] == "refused", "a block is heard", TOLD_SECONDS_MAX)
    assert sender.single(one, channel="tg")["reason"] in {"suppressed", "unreachable"}
    sender.hook_telegram(member_update(one.telegram, "kicked", "member"))
    sender.hook_telegram(start_update(one.telegram))
    wait_until(lambda: sender.single(one, channel="tg")["state"] == "accepted", "an unblock is heard", TOLD_SECONDS_MAX)


# «Telegram (bot messages …, `my_chat_member` as block/unblock …)»
def test_a_bot_that_was_blocked_unheard_is_rejected_and_then_suppressed(sender: Sender) -> None:
    """403 «bot was blocked by the user»: the channel's reason, and the next is not tried."""
    one = sender.add_one(on=("tg",))
    sender.simulator.act("block", "telegram", one.telegram)
    first = sender.single(one, channel="tg")
    assert first["state"] in {"rejected", "refused"} and first["reason"]
    tried = len(sender.simulator.list_requests([one.telegram]))
    second = sender.single(one, channel="tg")
    assert (second["state"], second["reason"] in {"suppressed", "unreachable"}) == ("refused", True)
    assert len(sender.simulator.list_requests([one.telegram])) == tried


# «Telegram (… photos, buttons …)»
def test_a_photo_and_a_button_arrive_on_telegram(sender: Sender) -> None:
    one = sender.add_one(on=("tg",))
    blocks = [
        {"type": "image", "url": "https://example.com/shoe.jpg"},
        {"type": "buttons", "text": "看看", "buttons": [{"label": "打開", "url": "https://example.com/shoe"}]},
    ]
    sender.single(one, channel="tg", message={"zh-TW": {"blocks": blocks}})
    requests = sender.simulator.list_requests([one.telegram])
    assert any(each.path.endswith("/sendPhoto") for each in requests)
    photos = [each for said in sender.simulator.list_messages(one.telegram) for each in said if "photo" in each]
    assert len(photos) == 1
    assert any("inline_keyboard" in said and "打開" in said for said in sender.simulator.read_texts(one.telegram))


# --- e-mail ---------------------------------------------------------------------------------------------------------


# «e-mail (aiosmtplib, text and HTML, DKIM, List-Unsubscribe with one-click POST per RFC 8058 …)»
def test_a_mail_has_text_html_and_one_click_unsubscribe(mailing: tuple[Sender, Post]) -> None:
    """RFC 8058: a POST without key, cookie or redirect takes the member out; a scanner's GET changes nothing."""
    sender, post = mailing
    one = sender.add_one(on=("mail",))
    message = {"zh-TW": {"subject": "新品到了", "text": "您好,新品到了"}}
    assert sender.single(one, channel="mail", message=message)["state"] == "accepted"
    (mail,) = post.list_mails(one.email)
    assert (mail["Subject"], mail["From"], mail["To"]) == ("新品到了", "shop@example.com", one.email)
    kinds = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert "您好,新品到了" in kinds["text/plain"] and "您好,新品到了" in kinds["text/html"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = mail["List-Unsubscribe"].strip("<>").split(">")[0]
    path = urlsplit(url).path
    assert path.startswith("/u/") and len(path) > 20
    assert sender.request("GET", path).status_code == 200
    assert sender.single(one, channel="mail", message=message)["state"] == "accepted", "a GET changes nothing"
    done = sender.request("POST", path, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code in {200, 202, 204} and "set-cookie" not in done.headers
    after = sender.single(one, channel="mail", message=message)
    assert (after["state"], after["reason"] in {"suppressed", "no_consent"}) == ("refused", True)
    assert len(post.list_mails(one.email)) == 2
    assert sender.request("POST", "/u/nonsense", data={"List-Unsubscribe": "One-Click"}).status_code == 404


# «e-mail (… bounces → suppression)»
def test_a_bounce_suppresses(mailing: tuple[Sender, Post]) -> None:
    """550 at the door: rejected; afterwards nobody knocks again."""
    sender, post = mailing
    one, other = sender.add(2, on=("mail",))
    post.gone.add(one.email)
    first = sender.single(one, channel="mail")
    assert first["state"] == "rejected" and first["reason"]
    post.gone.clear()
    second = sender.single(one, channel="mail")
    assert (second["state"], second["reason"] in {"suppressed", "unreachable"}) == ("refused", True)
    assert post.list_mails(one.email) == []
    assert sender.single(other, channel="mail")["state"] == "accepted"


# «e-mail (… DKIM …)»
def test_a_mail_is_signed(sender: Sender) -> None:
    """Verified by dkimpy against the public key; RFC 8058 wants both unsubscribe headers covered."""
    import dkim

    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    with open_post() as post:
        settings = {"domain": "example.com", "selector": "s1", "private_key": private}
        told = sender.put_mail(post, "signed", dkim=settings)
        assert private not in str(told)
        one = sender.add_one(on=("mail",))
        sender.consent(one, "signed")
        assert sender.single(one, channel="signed")["state"] == "accepted"
        (raw,) = post.list_bytes(one.email)
    asked: list[bytes] = []

    def answer(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    assert dkim.verify(raw, dnsfunc=answer)
    assert not dkim.verify(raw.replace(b"Subject: ", b"Subject: x"), dnsfunc=answer)
    assert asked[0].startswith(b"s1._domainkey.example.com")
    (signature,) = [str(mail["DKIM-Signature"]).lower() for mail in post.list_mails(one.email)]
    signed = signature.replace(" ", "").replace("\n", "").split("h=")[1].split(";")[0].split(":")
    assert {"from", "list-unsubscribe", "list-unsubscribe-post"} <= set(signed)


# --- all of them ----------------------------------------------------------------------------------------------------


# «Channels, thin adapters over one async HTTP sender (pool, token bucket per endpoint, retry policy, circuit breaker,
# metrics)»
@pytest.mark.long
def test_an_error_of_the_vendor_is_retried_until_it_is_over(sender: Sender) -> None:
    """Every reply is 500 for two seconds; LINE's push is then sent, under the key it had from the first attempt."""
    one = sender.add_one()
    with sender.simulator.faults(status_500=1.0):
        made = sender.post_single(one, "再試")
        time.sleep(2)
        assert sender.simulator.list_messages(one.line) == []
    done = sender.wait_last(one, made["id"])
    assert done["state"] == "accepted" and len(done["attempts"]) >= 2
    requests = sender.simulator.list_requests([one.line])
    assert [each.status for each in requests].count(200) == 1 and len({each.key for each in requests} - {None}) == 1
    assert len(sender.simulator.list_messages(one.line)) == 1


# «one async HTTP sender (pool, token bucket per endpoint, …, metrics)»
def test_what_was_sent_is_counted_in_the_metrics(sender: Sender, serving: Serving) -> None:
    """By the channel's endpoint, whichever process sends."""
    assert sender.single(sender.add_one())["state"] == "accepted"
    told = serving.http.get(f"{serving.url}/metrics").text
    samples = [line for line in told.splitlines() if line.startswith("regulars_channel") and "push" in line]
    assert any(float(line.split()[-1]) >= 1 for line in samples)


# «The adapters' only difference is the base URL.»
@pytest.mark.long
def test_a_channel_is_sent_to_its_base_url(sender: Sender) -> None:
    """The same brand, another address: what is sent arrives there and nowhere else."""
    one, elsewhere = sender.add_one(), Simulator()
    try:
        sender.put_channel("line-elsewhere", {"kind": "line", **elsewhere.line})
        elsewhere.add_people("line", [one.line])
        sender.consent(one, "line-elsewhere")
        assert sender.single(one, "那邊", "line-elsewhere")["state"] == "accepted"
        assert (len(elsewhere.list_messages(one.line)), len(sender.simulator.list_messages(one.line))) == (1, 0)
    finally:
        elsewhere.end()

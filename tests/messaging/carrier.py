"""A channel that keeps what it was given: the port that messaging talks to, without a network behind it."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from regulars.messaging.ports import (
    ChannelForm,
    ChannelState,
    Content,
    Happening,
    Outcome,
    Request,
    Result,
    Text,
    Trouble,
)

LONGEST = 5_000


@dataclass
class Carrier:
    """Accepts everything unless `say` says otherwise; `sent` counts how often each address was told."""

    kind: str = "line"
    is_keyed: bool = True
    key_seconds_max: int = 86_400
    many_max: int = 500
    sent: Counter[str] = field(default_factory=Counter)
    keys: dict[UUID, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    say: Callable[[Request, int], Result | None] = lambda _request, _number: None

    def check(self, content: Content) -> Sequence[Trouble]:
        texts = [block.text for block in content.blocks if isinstance(block, Text)]
        long = [text for text in texts if len(text) > LONGEST]
        return [Trouble("/blocks/0/text", "too_long", "too long")] if long else []

    def render(self, key: UUID, content: Content, addresses: Sequence[str], headers: Mapping[str, str]) -> Request:
        said = [block.text for block in content.blocks if isinstance(block, Text)]
        return Request(key, "push", json.dumps([said, dict(headers)]).encode(), tuple(addresses))

    def render_reply(self, key: UUID, content: Content, reply_token: str) -> Request | None:
        return None

    async def send(self, request: Request) -> Result:
        """As a channel with keys: the same key again is a success that tells nobody twice; another body is a defect."""
        self.requests.append(request)
        answer = self.say(request, len(self.requests))
        await asyncio.sleep(0)
        if answer is not None and answer.outcome in (Outcome.RETRY, Outcome.REJECTED, Outcome.QUOTA):
            return answer
        if not self.is_keyed or request.key not in self.keys:
            self.keys[request.key] = request.body
            self.sent.update(request.addresses)
        assert self.keys[request.key] == request.body, "one key, two bodies"
        return answer or Result(Outcome.ACCEPTED)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Happening]:
        return ()

    async def register_webhook(self, url: str) -> ChannelState:
        return ChannelState(True, "")

    async def probe(self) -> ChannelState:
        return ChannelState(True, "")

    async def close(self) -> None:
        return None


@dataclass
class Carriers:
    """Every channel is the one carrier."""

    carrier: Carrier

    def read(self, body: object) -> ChannelForm:
        assert isinstance(body, dict)
        return ChannelForm(body["kind"], body["kind"], {}, {"secret": "s"})

    def open(self, form: ChannelForm) -> Carrier:
        return self.carrier

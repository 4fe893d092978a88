"""What is wrong with a message before anybody is told it: each channel it is meant for is asked about each language.

A variant with templates is asked about as a sketch: only what is written in it for certain. Once it is filled in for a
member, the same question (`Channel.check`) is asked about what they would really be sent.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from regulars.messaging.content.message import Message
from regulars.messaging.ports import Content, Trouble


class Checks(Protocol):
    """The part of a Channel that is asked."""

    def check(self, content: Content) -> Sequence[Trouble]:
        """What this content would be refused for."""
        ...


def find_troubles(message: Message, channels: Mapping[str, Checks]) -> list[Trouble]:
    """Why the message cannot be sent on these channels, by their names; paths are those of the message as written."""
    return [
        Trouble(variant.trace(trouble.path), trouble.code, trouble.message, channel=name)
        for name, channel in channels.items()
        for variant in message.variants.values()
        for trouble in channel.check(variant.sketch())
    ]

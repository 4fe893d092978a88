"""What is said: messages as they are written, their templates and languages, and the contents they become. Pure."""

from regulars.messaging.content.languages import choose_language, list_languages, list_wishes
from regulars.messaging.content.links import find_links, replace_links
from regulars.messaging.content.message import Message, Variant
from regulars.messaging.content.reading import read_message
from regulars.messaging.content.troubles import find_troubles

__all__ = [
    "Message",
    "Variant",
    "choose_language",
    "find_links",
    "find_troubles",
    "list_languages",
    "list_wishes",
    "read_message",
    "replace_links",
]

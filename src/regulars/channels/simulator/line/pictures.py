"""How large a PNG or JPEG is, read from its head."""

import struct
from typing import Final

PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def find_picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where it is neither."""
    if content.startswith(PNG) and len(content) >= 24 and content[12:16] == b"IHDR":
        return struct.unpack(">II", content[16:24])
    return _find_jpeg_size(content) if content.startswith(b"\xff\xd8") else None


def _find_jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + max(2, length)
    return None

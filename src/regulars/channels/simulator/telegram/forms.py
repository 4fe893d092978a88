"""multipart/form-data, as clients of the Bot API send uploads."""

from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from regulars.channels.simulator.telegram.calls import Upload

PARTS_MAX: Final = 100


class FormUnreadable(Exception):
    """The body is not the form that its header says."""


def read_form(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, Upload]]:
    """Fields by name, and files by name. Raises: FormUnreadable."""
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise FormUnreadable("there is no boundary")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"))
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise FormUnreadable("the form has no end")
    if len(parts) > PARTS_MAX + 2:
        raise FormUnreadable("the form has too many parts")
    fields: dict[str, str] = {}
    uploads: dict[str, Upload] = {}
    for part in parts[1:-1]:
        raw_head, separator, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesHeaderParser().parsebytes(raw_head)
        name = headers.get_param("name", header="content-disposition")
        file_name = headers.get_filename()
        if not separator or not isinstance(name, str):
            raise FormUnreadable("a part has no name")
        if file_name is None:
            fields[name] = content.decode()
        else:
            uploads[name] = Upload(file_name, headers.get_content_type(), content)
    return fields, uploads

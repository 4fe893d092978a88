"""A vendor that misbehaves on the wire, where a well-made server cannot: one connection, one fault."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serve(behave: Behave) -> AsyncIterator[str]:
    """The address of a server that does this with every connection."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """First line, headers in lower case, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return head[0], headers, await reader.readexactly(int(headers.get("content-length", "0")))


def answer(status: int, body: bytes = b"{}", *headers: str) -> Behave:
    """Read one request, answer it so, hang up."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return behave


async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read the request, and close without a word."""
    await read_request(reader)


async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read the request, and keep the connection open."""
    await read_request(reader)
    await asyncio.sleep(60)


async def cut_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A status, and less of a body than was promised."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Headers without end, one a moment: no single read takes long."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        writer.write(f"x-{number}: 1\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

"""Runs the server of a HOME until its stdin ends: the other process of the tests. argv: HOME, then any of the words
``share`` (open_postgres instead of EmbeddedPostgres) and ``thread`` (start in a thread: no death signal)."""

import json
import sys
import threading
from pathlib import Path

from regulars.platform.postgres import EmbeddedPostgres, PostgresAddress, PostgresError, open_postgres


def tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def tell_address(address: PostgresAddress) -> None:
    tell(dsn=address.dsn, socket_dsn=address.socket_dsn)


def hold(home: Path, words: list[str]) -> None:
    if "share" in words:
        with open_postgres(home) as address:
            tell_address(address)
            sys.stdin.read()
        return
    server = EmbeddedPostgres(home)
    if "thread" in words:
        starter = threading.Thread(target=server.start)
        starter.start()
        starter.join()
    tell_address(server.start())
    sys.stdin.read()
    server.stop()


try:
    hold(Path(sys.argv[1]), sys.argv[2:])
except PostgresError as error:
    tell(code=error.code, message=error.message, pid=error.fields.get("pid"))
    sys.exit(1)

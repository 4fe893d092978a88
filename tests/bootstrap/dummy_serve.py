"""Runs the supervisor over dummy children. argv: HOME PORT FOLDER WORKER [database URL or -] [json] [what prepare does]."""

import json
import sys
import time
from pathlib import Path

import psycopg

from regulars.bootstrap.supervisor import ServeOptions, run_supervisor
from regulars.kernel.errors import DomainError

home, port, folder, worker, database_url, form, preparing = sys.argv[1:]
CHILD = [sys.executable, str(Path(__file__).with_name("dummy_child.py"))]


def prepare(dsn: str) -> None:
    if preparing == "slow":
        (Path(folder) / "preparing").touch()
        time.sleep(60)
    if preparing == "fail":
        raise ValueError("prepare failed")
    if database_url == "-":
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 'here' AS value")


options = ServeOptions(
    home=Path(home),
    host="127.0.0.1",
    port=int(port),
    json=form == "json",
    database_url=None if database_url == "-" else database_url,
    prepare=prepare,
    ready=lambda url: {"url": url, "home": home},
    web=lambda _, fd: [*CHILD, "web", str(fd), folder],
    worker=lambda _: [*CHILD, worker, folder],
    ended=lambda name: print(name, file=(Path(folder) / "ended").open("a"), flush=True),
    environment={"EXTRA": "told"},
)
try:
    sys.exit(run_supervisor(options))
except DomainError as error:
    print(json.dumps(error.to_dict() | error.fields), file=sys.stderr)
    sys.exit(1)

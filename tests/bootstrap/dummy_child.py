"""Stands in for web and worker: tells who it is in the folder it is given. argv: web FD FOLDER | worker FOLDER | …"""

import http.server
import os
import signal
import socket
import sys
import time
from pathlib import Path


def note(folder: str, name: str) -> None:
    """One line per life: pid, moment, DSN, what the environment told, and the lives that were told to have ended."""
    ended = Path(folder) / "ended"
    told = ",".join(ended.read_text().split()) if ended.exists() else ""
    with (Path(folder) / name).open("a") as file:
        file.write(
            f"{os.getpid()} {time.monotonic()} {os.environ['REGULARS_DATABASE_URL']} {os.environ['EXTRA']} {os.environ['REGULARS_PROCESS']} {told}\n"
        )


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())


def serve_web(fd: str, folder: str) -> None:
    note(folder, "web")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(fd))
    print("web says something on its stdout", flush=True)
    server.serve_forever()


def work(folder: str) -> None:
    note(folder, "worker")
    signal.pause()


def crash(folder: str) -> None:
    note(folder, "worker")
    sys.exit(3)


def ignore_sigterm(folder: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(folder, "worker")
    while True:
        signal.pause()


{"web": serve_web, "worker": work, "crash": crash, "ignore_sigterm": ignore_sigterm}[sys.argv[1]](*sys.argv[2:])

"""Where the demo's campaigns play: web and sender on a clock that the demo moves, and the platforms they send to, simulated.

Everything is what `regulars serve` and `regulars simulate` run, in one thread of this process with one event loop; nothing
but the clock is different. No worker of a served home may run beside it: by its clock all that is planned would be late.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import uvicorn
import uvloop

import regulars
from regulars.api.app import create_app
from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import ServeFailed
from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, read_credentials
from regulars.bootstrap.outbox import SEND_CONNECTIONS_MAX, build_outbox
from regulars.bootstrap.simulating import ReadyServer, make_server, make_simulated_world, open_port
from regulars.bootstrap.web import build_context
from regulars.channels.simulator.control import describe
from regulars.channels.simulator.mail import open_mail
from regulars.channels.simulator.state.world import World
from regulars.messaging.service.dispatching import Dispatcher
from regulars.platform.db import Database
from regulars.platform.settings import Settings

HOST: Final = "127.0.0.1"
READY_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 30.0


class MovedClock:
    """Stands where it was moved to and goes on from there at the machine's pace."""

    def __init__(self, at: datetime) -> None:
        self.move(at)

    def move(self, at: datetime) -> None:
        """It is `at` now."""
        self._then = (at, time.monotonic())

    def __call__(self) -> datetime:
        at, since = self._then
        return at + timedelta(seconds=time.monotonic() - since)


@dataclass(slots=True)
class Stage:
    """What plays; `platforms` is how `regulars simulate --json` tells of itself, and where mails go."""

    clock: MovedClock
    client: Client
    world: World
    platforms: dict[str, Any]
    _ended: "Future[None]"

    def check(self) -> None:
        """Raises: ServeFailed where web or sender ended by itself."""
        if self._ended.done():
            raise ServeFailed(f"what the demo runs by its own clock has ended: {self._ended.exception()!r}")


@dataclass(slots=True)
class _Play:
    """The thread's side."""

    settings: Settings
    deployment: Deployment
    clock: MovedClock
    world: World
    sockets: dict[str, Any]
    ended: "Future[None]" = field(default_factory=lambda: Future[None]())
    ready: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self) -> None:
        """The thread."""
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self.loop = runner.get_loop()
                runner.run(self._play())
        except BaseException as error:  # noqa: BLE001 - the other thread is told, and raises it there
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)
        finally:
            self.ready.set()

    async def _play(self) -> None:
        dsn, master_key = self.deployment.dsn, self.deployment.master_key
        context = build_context(self.settings, dsn, self.clock)
        web = _make_web(create_app(context, version=regulars.__version__), self._tell_ready)
        platforms = make_server(self.world, lambda: None)
        async with contextlib.AsyncExitStack() as opened:
            database = Database(dsn, connections_max=SEND_CONNECTIONS_MAX)
            await database.open()
            opened.push_async_callback(database.close)
            outbox = build_outbox(self.settings, database, master_key, self.clock)
            opened.push_async_callback(outbox.channels.close)
            opened.callback((await open_mail(self.world, self.sockets["mail"])).close)
            sender = asyncio.create_task(Dispatcher(database, outbox, self.clock).run(self.stopped))
            servers = [
                asyncio.create_task(platforms.serve(sockets=[self.sockets["platforms"]])),
                asyncio.create_task(web.serve(sockets=[self.sockets["web"]])),
            ]
            stop = asyncio.create_task(self.stopped.wait())
            try:
                await asyncio.wait({sender, *servers, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.stopped.set()
                # Before the platforms go: what is on its way arrives and is told.
                await asyncio.gather(sender, return_exceptions=True)
                web.should_exit = platforms.should_exit = True
                await asyncio.gather(*servers, return_exceptions=True)
            await asyncio.gather(sender, *servers)  # all have ended: what one of them failed with is raised

    def _tell_ready(self) -> None:
        self.ready.set()

    def stop(self) -> None:
        """From the other thread."""
        if self.loop is not None and not self.ended.done():
            with contextlib.suppress(RuntimeError):  # it has closed just now
                self.loop.call_soon_threadsafe(self.stopped.set)


def _make_web(app: Any, on_ready: Any) -> ReadyServer:
    config = uvicorn.Config(
        app, loop="none", access_log=False, log_config=None, server_header=False, date_header=False, lifespan="on"
    )
    return ReadyServer(config, on_ready)


@contextlib.contextmanager
def open_stage(settings: Settings, deployment: Deployment, at: datetime, seed: int) -> Generator[Stage]:
    """Everything, by a clock that stands at `at`, until the block ends. Raises: ServeFailed."""
    clock = MovedClock(at)
    world = make_simulated_world(seed, clock)
    sockets = {name: open_port(HOST, 0) for name in ("web", "platforms", "mail")}
    urls = {name: f"{HOST}:{one.getsockname()[1]}" for name, one in sockets.items()}
    play = _Play(settings, deployment, clock, world, sockets)
    thread = threading.Thread(target=play.run, name="demo stage", daemon=True)
    thread.start()
    keys = read_credentials(deployment)[FIRST_BRAND]
    platforms = {**describe(world, f"http://{urls['platforms']}"), "smtp_url": f"smtp://{urls['mail']}"}
    stage = Stage(clock, Client(f"http://{urls['web']}", keys.api_key), world, platforms, play.ended)
    try:
        if not play.ready.wait(READY_SECONDS_MAX):
            raise ServeFailed(f"web by the demo's clock was not ready within {READY_SECONDS_MAX:.0f} seconds")
        stage.check()
        yield stage
    finally:
        play.stop()
        thread.join(STOP_SECONDS_MAX)
        for one in sockets.values():
            one.close()
    if thread.is_alive():
        raise ServeFailed(
            f"what the demo runs by its own clock had not ended {STOP_SECONDS_MAX:.0f} seconds after it was told to"
        )
    if (error := play.ended.exception()) is not None:
        raise ServeFailed(f"what the demo runs by its own clock failed: {error!r}") from error

"""`regulars simulate`: the simulator of LINE and Telegram in one process, until it is told to stop."""

import contextlib
import gc
import json as json_module
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import uvicorn

from regulars.bootstrap.stopping import STOP_SIGNALS
from regulars.channels.simulator.control import describe
from regulars.channels.simulator.server import Simulator, SimulatorProtocol
from regulars.channels.simulator.state.world import World, make_world
from regulars.kernel.clock import Clock, system_clock
from regulars.platform.errors import SettingInvalid

STOP_SECONDS_MAX = 2
BACKLOG = 2048
GC_OBJECTS = 100_000


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What the command line said; `webhooks` are URLs, each perhaps as CHANNEL=URL."""

    host: str
    port: int
    json: bool
    seed: int | None = None
    webhooks: Sequence[str] = ()


class ReadyServer(uvicorn.Server):
    """Says when it listens, once."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop when told, and end with 0: uvicorn's own raises the signal again when it has stopped."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_simulator(options: SimulateOptions) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises: SettingInvalid where the port or a webhook cannot be."""
    world = make_simulated_world(options.seed)
    set_webhooks(world, options.webhooks)
    listening = open_port(options.host, options.port)
    shown_host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{shown_host}:{listening.getsockname()[1]}"
    # What is kept is kept for long and holds no cycles: looking through it again and again takes a third of the time.
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 50, 100)
    make_server(world, lambda: tell_ready(world, url, json=options.json)).run(sockets=[listening])


def make_simulated_world(seed: int | None, clock: Clock = system_clock) -> World:
    """A world on a clock; without a seed its tokens cannot be guessed."""
    return make_world(clock, seed, lambda given: random.SystemRandom() if given is None else random.Random(given))


def make_server(world: World, on_ready: Callable[[], None]) -> ReadyServer:
    """The web server over a world; `run` it with a listening socket."""
    config = uvicorn.Config(
        Simulator(world),
        loop="uvloop",
        http=SimulatorProtocol,
        lifespan="on",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
        backlog=BACKLOG,
    )
    return ReadyServer(config, on_ready)


def set_webhooks(world: World, webhooks: Sequence[str]) -> None:
    """Give the first accounts their webhooks: `line=URL`, `telegram=URL`, or a URL for both. Raises: SettingInvalid."""
    for given in webhooks:
        channel, separator, url = given.partition("=")
        if not separator or channel not in ("line", "telegram"):
            channel, url = "", given
        if not url.startswith(("http://", "https://")):
            raise SettingInvalid(f"--webhook {given!r} is not URL, line=URL or telegram=URL", path="--webhook")
        for name, account in world.list_accounts():
            if channel in ("", name):
                account.hook.url = url


def open_port(host: str, port: int) -> socket.socket:
    """A listening socket. Raises: SettingInvalid."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise SettingInvalid(f"cannot listen on {host} port {port}: {error}", path="--port") from error
    return listening


def tell_ready(world: World, url: str, *, json: bool) -> None:
    """The first line of standard output, and the last."""
    told = describe(world, url)
    if json:
        print(json_module.dumps(told), flush=True)
        return
    line, telegram = told["line"], told["telegram"]
    print(f"{url}  (phones to look at; control under {told['control']})", flush=True)
    print(f"  LINE      access token {line['access_token']}  secret {line['secret']}", file=sys.stderr)
    print(f"  Telegram  token {telegram['token']}", file=sys.stderr)

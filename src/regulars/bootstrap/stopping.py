"""How `regulars serve` is told to stop, and how it sleeps until something happens.

Decides which signals mean stop. A signal interrupts what is marked as interruptible and is remembered everywhere else.
"""

import contextlib
import os
import select
import signal
from collections.abc import Generator
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequested(BaseException):
    """Raised by a stop signal in the middle of something long; no ``except Exception`` may swallow it."""


class Stopping:
    """The signals that arrived; made by ``watch_signals``."""

    def __init__(self, wakeup: int) -> None:
        self._wakeup = wakeup
        self._interruptible = False
        self.requested = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The handler of the stop signals."""
        self.requested = True
        if self._interruptible:
            self._interruptible = False
            raise StopRequested

    @contextlib.contextmanager
    def interruptible(self) -> Generator[None]:
        """Let a stop signal break what happens inside, now or already waiting."""
        self._interruptible = True
        try:
            if self.requested:
                raise StopRequested
            yield
        finally:
            self._interruptible = False

    def sleep(self, seconds_max: float) -> None:
        """Until a signal arrives (the end of a child is one too) or the time is over."""
        ready, _, _ = select.select([self._wakeup], [], [], max(0.0, seconds_max))
        if ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)


@contextlib.contextmanager
def watch_signals() -> Generator[Stopping]:
    """Handle the stop signals while inside; afterwards all is as before.

    Call it in the main thread. A hang-up that was ignored when we came (nohup) stays ignored.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    stopping = Stopping(reader)
    numbers = [n for n in STOP_SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stopping.handle) for number in numbers}
    # A handler of Python must be there, or the wake-up is not written.
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield stopping
    finally:
        signal.set_wakeup_fd(wakeup_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)

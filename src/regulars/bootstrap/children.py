"""The processes that `regulars serve` keeps running: started, seen to have ended, started again, stopped.

Decides how soon something that died comes back. Does not decide what is run or when everything stops (supervisor).
"""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from regulars.bootstrap.metrics import PROCESS_NAME
from regulars.platform.postgres import choose_death_signal

BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 5.0
HEALTHY_SECONDS = 10.0
STOP_SECONDS_MAX = 10.0
STDERR = 2

log = logging.getLogger("regulars.supervisor")


@dataclass
class Backoff:
    """When something that keeps dying may be tried again: later each time, at once after it was well for long."""

    began_at: float = 0.0
    due_at: float = 0.0
    seconds: float = 0.0

    def begin(self, now: float) -> None:
        """It was started."""
        self.began_at = now

    def end(self, now: float) -> float:
        """It died, or could not be started; the seconds until the next attempt."""
        if self.seconds == 0 or now - self.began_at >= HEALTHY_SECONDS:
            self.seconds = BACKOFF_SECONDS_MIN
        else:
            self.seconds = min(self.seconds * 2, BACKOFF_SECONDS_MAX)
        self.due_at = now + self.seconds
        return self.seconds


@dataclass
class Child:
    """One process that is to run; ``process`` is the present one, if any. ``ended`` is called whenever one has ended."""

    name: str
    command: Sequence[str]
    pass_fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    backoff: Backoff = field(default_factory=Backoff)
    ended: Callable[[], None] = lambda: None

    def forget(self) -> None:
        """Its process is gone."""
        self.process = None
        self.ended()


def ensure_running(child: Child, environment: Callable[[], Mapping[str, str]]) -> None:
    """Notice an end and, when it is due, start again."""
    now = time.monotonic()
    if child.process is not None:
        code = child.process.poll()
        if code is None:
            return
        child.forget()
        log.warning("%s ended with %d; it starts again in %.1f s", child.name, code, child.backoff.end(now))
    if now < child.backoff.due_at:
        return
    child.backoff.begin(now)
    try:
        child.process = start_process(child, environment())
    except OSError as error:  # no memory, no more processes: passes
        log.error("%s cannot be started (%s); tried again in %.1f s", child.name, error, child.backoff.end(now))


def start_process(child: Child, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start it with our stderr as its stdout: ours carries the ready line and nothing else.

    In a session of its own, so that Ctrl-C reaches only us and things stop in order. When we are killed the kernel
    kills it too. Not SIGTERM: PostgreSQL goes down at that moment, so nothing could be brought to a good end, and one
    that waits for its database would hold the port, or work on beside its successor. Losing nothing when killed is
    promised anyway.
    """
    return subprocess.Popen(
        list(child.command),
        env={**environment, PROCESS_NAME: child.name},
        stdin=subprocess.DEVNULL,
        stdout=STDERR,
        pass_fds=tuple(child.pass_fds),
        start_new_session=True,
        preexec_fn=choose_death_signal(signal.SIGKILL),
    )


def stop_children(children: Sequence[Child]) -> None:
    """SIGTERM to all at once, SIGKILL to those that have not ended in time; returns when all are gone."""
    running = [child for child in children if child.process is not None and child.process.poll() is None]
    for child in running:
        send(child, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for child in running:
        if not wait_for(child, max(0.0, deadline - time.monotonic())):
            log.warning("%s did not stop within %.0f s and is killed", child.name, STOP_SECONDS_MAX)
            send(child, signal.SIGKILL)
            wait_for(child, None)
    for child in children:
        if child.process is not None:
            child.forget()


def wait_for(child: Child, seconds_max: float | None) -> bool:
    """Whether the child has ended in time."""
    if child.process is None:
        return True
    try:
        child.process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        return False
    return True


def send(child: Child, number: signal.Signals) -> None:
    """Signal a child, whose pid stays its own until we have seen its end."""
    if child.process is not None:
        child.process.send_signal(number)


def build_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Our environment with what a child is told besides."""
    return {**os.environ, **own}

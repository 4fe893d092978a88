"""What a person sees while a file is imported: rows, rate, time left, rejected so far; on stderr, never on stdout.

Decides how it looks; a terminal gets a moving line, anything else one line every few seconds.
"""

from datetime import datetime, timedelta

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from regulars.kernel.clock import Clock

LINE_SECONDS = 5


class ImportProgress:
    """Reports one file's import on a console."""

    def __init__(self, console: Console, clock: Clock, name: str) -> None:
        self._console = console
        self._clock = clock
        self._name = name
        self._started = clock()
        self._said: datetime = self._started
        self._bar: Progress | None = None
        if console.is_terminal:
            bar = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
            self._bar = Progress(*bar, console=console, transient=True)
            self._task = self._bar.add_task(escape(name), total=None, state="")
            self._bar.start()

    def update(self, read: int, rejected: int, fraction: float | None) -> None:
        """Called after each batch."""
        if self._bar is not None:
            total = None if fraction is None else 1.0
            state = escape(self._describe(read, rejected, fraction))
            self._bar.update(self._task, completed=fraction or 0.0, total=total, state=state)
        elif self._clock() - self._said >= timedelta(seconds=LINE_SECONDS):
            self._said = self._clock()
            self.say(f"{self._name}: {self._describe(read, rejected, fraction)}")

    def _describe(self, read: int, rejected: int, fraction: float | None) -> str:
        seconds = self._seconds()
        parts = [f"{read:,} rows", f"{read / seconds:,.0f}/s"]
        if fraction:
            parts.append(f"{fraction:.0%}")
            parts.append(f"{_duration(seconds / fraction * (1 - fraction))} left")
        if rejected:
            parts.append(f"{rejected:,} rejected")
        return ", ".join(parts)

    def _seconds(self) -> float:
        return max(0.001, (self._clock() - self._started).total_seconds())

    def say(self, text: str) -> None:
        """One line above the moving one."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Takes the moving line away; may be called twice."""
        if self._bar is not None:
            self._bar.stop()

    def finish(self, read: int, summary: str) -> None:
        """The last line."""
        self.stop()
        seconds = self._seconds()
        self.say(f"{self._name}: {summary} Took {seconds:.1f} s ({read / seconds:,.0f} rows/s).")


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60} s"

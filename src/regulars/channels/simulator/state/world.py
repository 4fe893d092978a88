"""Everything the simulator knows, and what both platforms need of it: time, chance, numbers, faults, the log.

The clock may be set ahead or back, so that a day's retry keys or a month's quota can end within a test.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from regulars.channels.simulator.answers import ControlInvalid, ControlUnknown
from regulars.channels.simulator.state.faults import Dice, Faults
from regulars.channels.simulator.state.hooks import Hooks
from regulars.channels.simulator.state.line_account import LineAccount
from regulars.channels.simulator.state.people import Bubble, Person, Side
from regulars.channels.simulator.state.received import RequestLog
from regulars.channels.simulator.state.telegram_bot import TelegramBot
from regulars.kernel.clock import Clock

CHANNELS: Final = ("line", "telegram")
ACCOUNTS_MAX: Final = 100
RECENT_MAX: Final = 10_000
FIRST_ACCOUNT: Final = "main"
_MESSAGE_ID_FIRST: Final = 500_000_000_000_000_000
_ULID: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Account = LineAccount | TelegramBot


@dataclass(eq=False)
class World:
    """The state of one simulator. Made for one event loop: nothing here locks."""

    clock: Clock
    rng: random.Random
    faults: Faults = field(default_factory=Faults)
    ahead_seconds: float = 0.0
    line: dict[str, LineAccount] = field(default_factory=dict[str, LineAccount])
    telegram: dict[str, TelegramBot] = field(default_factory=dict[str, TelegramBot])
    line_by_token: dict[str, LineAccount] = field(default_factory=dict[str, LineAccount])
    telegram_by_token: dict[str, TelegramBot] = field(default_factory=dict[str, TelegramBot])
    log: RequestLog = field(default_factory=RequestLog)
    hooks: Hooks = field(default_factory=Hooks)
    recent: deque[Bubble] = field(default_factory=lambda: deque[Bubble](maxlen=RECENT_MAX))
    version: int = 0
    """Grows with everything that a phone shows."""
    dice: Dice = field(init=False)
    _numbered: int = 0

    def __post_init__(self) -> None:
        self.dice = Dice(self.faults.seed)

    def now(self) -> float:
        """The simulator's instant, in seconds since 1970."""
        return self.clock().timestamp() + self.ahead_seconds

    def set_faults(self, faults: Faults) -> None:
        """Faults from now on; another seed begins its sequences anew."""
        if faults.seed != self.faults.seed:
            self.dice = Dice(faults.seed)
        self.faults = faults

    def new_hex(self, digits: int) -> str:
        """Random hexadecimal digits."""
        return f"{self.rng.getrandbits(4 * digits):0{digits}x}"

    def new_uuid(self) -> str:
        """As LINE writes the ids of requests."""
        text = self.new_hex(32)
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def new_ulid(self, now: float) -> str:
        """As LINE writes the ids of events: sorted by time."""
        number = (int(now * 1000) << 80) | self.rng.getrandbits(80)
        return "".join(_ULID[(number >> shift) & 31] for shift in range(125, -1, -5))

    def new_message_id(self) -> str:
        """LINE's message ids are numbers, longer than a double can hold."""
        self._numbered += 1
        return str(_MESSAGE_ID_FIRST + self._numbered)

    def add_line(
        self,
        name: str,
        *,
        token: str | None = None,
        secret: str | None = None,
        provider: str = "main",
        quota: int | None = None,
    ) -> LineAccount:
        """Another LINE account, or the same with what is given changed. Raises: ControlInvalid."""
        account = self.line.get(name)
        if account is None:
            _check_room(self.line)
            account = LineAccount(
                name,
                token or self.new_hex(64),
                secret or self.new_hex(32),
                user_id="U" + self.new_hex(32),
                basic_id="@" + self.new_hex(8),
            )
        if token is not None and self.line_by_token.get(token, account) is not account:
            raise ControlInvalid("another account has this access token", path="access_token")
        self.line_by_token.pop(account.token, None)
        account.token, account.secret = token or account.token, secret or account.secret
        account.provider, account.own_quota = provider, quota
        self.line[name] = self.line_by_token[account.token] = account
        return account

    def add_telegram(self, name: str, *, token: str | None = None) -> TelegramBot:
        """Another bot, or the same with another token. Raises: ControlInvalid."""
        bot = self.telegram.get(name)
        if bot is None:
            _check_room(self.telegram)
            number = 7_000_000_001 + len(self.telegram)
            token = token or f"{number}:AA{self.new_hex(33)}"
            bot = TelegramBot(name, token, number, f"regulars_{name}_bot".replace("-", "_"))
        if token is not None and self.telegram_by_token.get(token, bot) is not bot:
            raise ControlInvalid("another bot has this token", path="token")
        self.telegram_by_token.pop(bot.token, None)
        bot.token = token or bot.token
        self.telegram[name] = self.telegram_by_token[bot.token] = bot
        return bot

    def get_account(self, channel: str, name: str = FIRST_ACCOUNT) -> Account:
        """An account by its name. Raises: ControlInvalid, ControlUnknown."""
        if channel not in CHANNELS:
            raise ControlInvalid(f"channel is line or telegram, not {channel[:40]!r}", path="channel")
        accounts: dict[str, Any] = self.line if channel == "line" else self.telegram
        if name not in accounts:
            raise ControlUnknown(f"there is no {channel} account {name[:40]!r}", path="account")
        return accounts[name]

    def list_accounts(self) -> Iterable[tuple[str, Account]]:
        """All accounts with their channels."""
        yield from (("line", account) for account in self.line.values())
        yield from (("telegram", bot) for bot in self.telegram.values())

    def show(
        self,
        person: Person,
        payload: dict[str, Any] | bytes,
        *,
        message_id: str,
        now: float,
        side: Side,
        kind: str,
        channel: str,
        account: str,
        request: int = 0,
    ) -> Bubble:
        """Put one message object on a phone."""
        self.version += 1
        encoded = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        bubble = Bubble(message_id, now, person.id, side, kind, encoded, channel, account, request, self.version)
        person.show(bubble)
        self.recent.append(bubble)
        return bubble


def _check_room(accounts: dict[str, Any]) -> None:
    if len(accounts) >= ACCOUNTS_MAX:
        raise ControlInvalid(f"at most {ACCOUNTS_MAX} accounts a channel", path="name")


def make_world(clock: Clock, seed: int | None, new_rng: Callable[[int | None], random.Random]) -> World:
    """A world with one account on each channel and nobody in it; tokens follow from the seed where there is one."""
    world = World(clock, new_rng(seed))
    world.add_line(FIRST_ACCOUNT)
    world.add_telegram(FIRST_ACCOUNT)
    return world

"""A loyalty programme as data: the fields are the words of its YAML and JSON (`from_` is written `from`).

Points are whole numbers of an asset, money is a Decimal of the brand's currency, days and months are the brand's. What
can be written and still makes no sense, `checking` refuses. Nothing here knows members or balances.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, NewType

from regulars.conditions.parse import Written
from regulars.conditions.tree import Calendar, Node

Name = NewType("Name", str)
Code = NewType("Code", str)
Points = NewType("Points", int)
"""0 or more whole units of an asset."""
Count = NewType("Count", int)
"""1 or more."""
Whole = NewType("Whole", int)
Weekday = NewType("Weekday", int)
"""1 is Monday, 7 Sunday."""
Money = NewType("Money", Decimal)
"""More than 0, at most six decimals."""
Factor = NewType("Factor", Decimal)
"""More than 0."""
Number = NewType("Number", Decimal)
PercentNumber = NewType("PercentNumber", Decimal)
"""More than 0, at most 100."""
Weight = NewType("Weight", Decimal)
"""From 0 to 1."""
Moment = date | datetime
"""A date stands for its first instant in the brand's time zone, an instant without an offset is the brand's."""

FULL_WEIGHT: Final = Weight(Decimal(1))
ONCE: Final = Factor(Decimal(1))
TWELVE_MONTHS: Final = Calendar("month", 12)
Rounding = Literal["down", "half_up", "up"]
CHECK_IN_EVENT: Final = "Checked In"


@dataclass(frozen=True, slots=True)
class Period:
    """`90d`, `12h`, `15m`: so many times 24 hours, hours, minutes; `12 months`, `1 year`: by the brand's calendar."""

    count: int
    unit: Literal["m", "h", "d", "month", "year"]


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the brand, both included; None is open."""

    from_: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A tree of the condition language, and the least tier and the badges that stand beside it in its outermost `all`.

    `data` is what was written, `written` what paths of errors lead into, `paths` where in the programme each level or
    badge is named.
    """

    tree: Node
    tier_at_least: Name | None
    badges: tuple[Name, ...]
    data: object = field(compare=False)
    written: Written = field(compare=False, repr=False)
    paths: Mapping[Name, str] = field(compare=False, repr=False)


# --- assets ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class After:
    """So long after the award."""

    WORD: ClassVar = "after"
    after: Period


@dataclass(frozen=True, slots=True)
class EndOf:
    """At the end of the calendar period of the award, or of the year after it."""

    WORD: ClassVar = "end_of"
    end_of: Literal["month", "quarter", "year", "next_year"]


@dataclass(frozen=True, slots=True)
class Inactive:
    """All of the balance, so long after the member's last of these events."""

    WORD: ClassVar = "inactive"
    inactive: Period
    events: tuple[Name, ...] = (Name("Order Completed"),)


@dataclass(frozen=True, slots=True)
class Never:
    """Written `never` or null."""


Expiry = After | EndOf | Inactive | Never


@dataclass(frozen=True, slots=True)
class Asset:
    """Points that pay (`redeemable`) or points that decide the tier (`qualifying`); `worth`: the money one of them pays."""

    redeemable: bool = False
    qualifying: bool = False
    expires: Expiry = Never()
    worth: Money | None = None


# --- what a rule does --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AwardPer:
    """`amount` for each `per` of a number of the event."""

    WORD: ClassVar = "per"
    asset: Name
    per: Money
    of: Name
    amount: Count = Count(1)
    round: Rounding = "down"


@dataclass(frozen=True, slots=True)
class Step:
    """From a number (included) until another (excluded); the last is open."""

    from_: Number
    until: Number | None
    amount: Points


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps over a number of the event, each beginning where the one before ends; below the first there is nothing."""

    of: Name
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class AwardLadder:
    """By the step in which a number of the event lies."""

    WORD: ClassVar = "ladder"
    asset: Name
    ladder: Ladder
    round: Rounding = "down"


@dataclass(frozen=True, slots=True)
class Multiply:
    """What the other rules award of the asset for the event, so many times."""

    WORD: ClassVar = "multiply"
    asset: Name
    multiply: Factor


@dataclass(frozen=True, slots=True)
class AwardFixed:
    """The same for each event."""

    WORD: ClassVar = "amount"
    asset: Name
    amount: Count
    round: Rounding = "down"


@dataclass(frozen=True, slots=True)
class GrantBadge:
    """A badge, once."""

    WORD: ClassVar = "badge"
    badge: Name


@dataclass(frozen=True, slots=True)
class IssueVoucher:
    """A voucher of a pool."""

    WORD: ClassVar = "voucher"
    voucher: Name


@dataclass(frozen=True, slots=True)
class ProgressMission:
    """So many steps of a mission that counts steps."""

    WORD: ClassVar = "mission"
    mission: Name
    progress: Count = Count(1)


@dataclass(frozen=True, slots=True)
class SetTag:
    """A tag on the member."""

    WORD: ClassVar = "tag"
    tag: Name
    weight: Weight = FULL_WEIGHT


@dataclass(frozen=True, slots=True)
class SendMessage:
    """A message through the gate; its content is read by `messaging`."""

    WORD: ClassVar = "message"
    message: Mapping[str, Any]
    channel: Name
    purpose: Name = Name("marketing")
    topic: Name | None = None


Award = AwardPer | AwardLadder | Multiply | AwardFixed
Effect = Award | GrantBadge | IssueVoucher | ProgressMission | SetTag | SendMessage


@dataclass(frozen=True, slots=True)
class EarnRule:
    """Where the condition holds at an event, the effects happen; `funder`: the partner who pays for the points."""

    name: Name
    when: Condition
    award: tuple[Effect, ...]
    valid: Days | None = None
    funder: Name | None = None


# --- tiers, badges, missions -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Anniversary:
    """Since the last anniversary of the day the member joined on; written `since anniversary`."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level. `retain` and `re_enter` are `enter` where nothing is said; `expires` overrides what assets say.

    `multiplier` raises redeemable awards; `early_access`: how much earlier what opens to all opens to this level.
    """

    name: Name
    enter: Points
    retain: Points | None = None
    re_enter: Points | None = None
    multiplier: Factor = ONCE
    expires: Expiry | None = None
    early_access: Period | None = None
    voucher: Name | None = None
    privileges: tuple[Name, ...] = ()

    @property
    def least_to_retain(self) -> int:
        """Qualifying points that keep the level."""
        return self.enter if self.retain is None else self.retain

    @property
    def least_to_re_enter(self) -> int:
        """Qualifying points that give the level to who held it before."""
        return self.enter if self.re_enter is None else self.re_enter


Downgrade = Literal["one_down", "by_balance"]


@dataclass(frozen=True, slots=True)
class Tiers:
    """Levels, lowest first. Without `status` a level lasts as long as the window holds what retains it."""

    asset: Name
    levels: tuple[Level, ...]
    window: Calendar | Anniversary = TWELVE_MONTHS
    status: Period | None = None
    grace: Period | None = None
    downgrade: Downgrade = "by_balance"


@dataclass(frozen=True, slots=True)
class Badge:
    """A mark; without a condition only rules and missions grant it."""

    name: Name
    when: Condition | None = None
    privileges: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Streak:
    """The event on so many local days one after another; up to `grace` days in all may be missed between them."""

    event: Name
    days: Count
    grace: Points = Points(0)


@dataclass(frozen=True, slots=True)
class Then:
    """What reaching a mission brings."""

    award: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Mission:
    """One of `target` (a `did` with a number to reach), `streak` and `steps` (that rules progress)."""

    name: Name
    then: Then
    target: Condition | None = None
    streak: Streak | None = None
    steps: Count | None = None
    repeat: bool = False
    valid: Days | None = None


# --- vouchers and rewards ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GenericCode:
    """One code for all."""

    WORD: ClassVar = "generic"
    generic: Code


@dataclass(frozen=True, slots=True)
class Hours:
    """Local hours, `until` excluded; `until` before `from` spans midnight and belongs to the weekday it begins on."""

    weekdays: tuple[Weekday, ...] = ()
    from_: time | None = None
    until: time | None = None


@dataclass(frozen=True, slots=True)
class PercentOff:
    """A share of the amount."""

    WORD: ClassVar = "percent"
    percent: PercentNumber


@dataclass(frozen=True, slots=True)
class AmountOff:
    """Money."""

    WORD: ClassVar = "amount"
    amount: Money


@dataclass(frozen=True, slots=True)
class VoucherPool:
    """A batch of vouchers. `valid`: how long after it is issued; `window`: the days on which it may be used.

    `stock` and `per_member` bound how many are issued, `budget` the money of their discounts; None is unbounded.
    `new_to`: only for whom this partner does not know.
    """

    name: Name
    codes: Literal["generated"] | tuple[Code, ...] | GenericCode
    stock: Count | None = None
    per_member: Count | None = None
    valid: Period | None = None
    window: Days | None = None
    hours: Hours | None = None
    discount: PercentOff | AmountOff | None = None
    order_at_least: Money | None = None
    category: Name | None = None
    exclusive: bool = False
    priority: Whole = Whole(0)
    budget: Money | None = None
    funder: Name | None = None
    new_to: Name | None = None


@dataclass(frozen=True, slots=True)
class Reward:
    """A gift for points; `hold`: how long it stays reserved when nobody confirms; `tier`: the least that may have it."""

    name: Name
    price: Count
    asset: Name
    stock: Count | None = None
    hold: Period = Period(30, "m")
    tier: Name | None = None


@dataclass(frozen=True, slots=True)
class Returns:
    """What gives an order back, and what happens where its points are spent already."""

    event: Name = Name("Order Refunded")
    policy: Literal["pending_only", "within_balance", "allow_negative"] = "within_balance"


# --- registration and scores -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    """From when on members of at least a tier, with a badge, or both may register; without either all."""

    from_: Moment
    tier: Name | None = None
    badge: Name | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """An event with so many places. `until`: when registering ends."""

    name: Name
    capacity: Count
    stages: tuple[Stage, ...]
    until: Moment | None = None
    waiting_list: bool = True


@dataclass(frozen=True, slots=True)
class ScoreStep:
    """Scores from (included) until (excluded) bring a voucher."""

    from_: Points
    until: Points | None
    voucher: Name


@dataclass(frozen=True, slots=True)
class Score:
    """A game whose score the server checks, and what scores bring, once a local day."""

    name: Name
    max: Count
    ladder: tuple[ScoreStep, ...]


@dataclass(frozen=True, slots=True)
class Programme:
    """One version of a programme. `earn_on`: whether what points paid earns points again (`gross`) or not (`net`)."""

    assets: Mapping[Name, Asset] = field(default_factory=dict[Name, Asset])
    earn: tuple[EarnRule, ...] = ()
    earn_on: Literal["net", "gross"] = "net"
    tiers: Tiers | None = None
    badges: tuple[Badge, ...] = ()
    missions: tuple[Mission, ...] = ()
    vouchers: tuple[VoucherPool, ...] = ()
    rewards: tuple[Reward, ...] = ()
    returns: Returns = Returns()
    events: tuple[Registration, ...] = ()
    scores: tuple[Score, ...] = ()
    valid: Days | None = None

    def find_level(self, name: str | None) -> int | None:
        """The place of a level, 0 the lowest."""
        levels = () if self.tiers is None else self.tiers.levels
        return next((at for at, level in enumerate(levels) if level.name == name), None)

    @property
    def paying_asset(self) -> Name | None:
        """The asset that pays orders."""
        return next((name for name, asset in self.assets.items() if asset.worth is not None), None)

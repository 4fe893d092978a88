"""What a programme can say and cannot mean: names that nothing has, thresholds that do not rise, ladders with gaps.

`check_programme` needs the programme alone; `check_conditions` what a brand's conditions may name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from regulars.conditions.catalogue import Catalogue
from regulars.conditions.check import check_tree
from regulars.conditions.closures_history import check_asked
from regulars.conditions.doubts import Doubt
from regulars.conditions.errors import ConditionError
from regulars.conditions.places import escape_segment, suggest_name
from regulars.conditions.tree import AllOf, AnyOf, Did, EventFilter, Node, Not, list_leaves
from regulars.loyalty.errors import ProgrammeInvalid
from regulars.loyalty.model import (
    AwardFixed,
    AwardLadder,
    AwardPer,
    Condition,
    Days,
    Effect,
    GrantBadge,
    Hours,
    IssueVoucher,
    Mission,
    Multiply,
    Never,
    Programme,
    ProgressMission,
    Registration,
    Score,
    ScoreStep,
    SendMessage,
    Step,
    Tiers,
    VoucherPool,
)

LISTS: Final = ("earn", "badges", "missions", "vouchers", "rewards", "events", "scores")


def check_programme(programme: Programme) -> None:
    """Raises: ProgrammeInvalid."""
    for section in LISTS:
        _check_once([one.name for one in getattr(programme, section)], f"/{section}", "name")
    _check_assets(programme)
    if programme.tiers is not None:
        _check_tiers(programme, programme.tiers)
    for condition, path in list_conditions(programme):
        _check_beside(programme, condition, path)
    for effects, path in _list_effects(programme):
        for at, effect in enumerate(effects):
            _check_effect(programme, effect, f"{path}/{at}")
    _check_rewards(programme)
    _check_each(programme)
    _check_days(programme.valid, "/valid")


def _check_each(programme: Programme) -> None:
    for at, rule in enumerate(programme.earn):
        _check_days(rule.valid, f"/earn/{at}/valid")
    for at, mission in enumerate(programme.missions):
        _check_mission(mission, f"/missions/{at}")
    for at, pool in enumerate(programme.vouchers):
        _check_pool(pool, f"/vouchers/{at}")
    for at, event in enumerate(programme.events):
        _check_registration(programme, event, f"/events/{at}")
    for at, score in enumerate(programme.scores):
        _check_score(programme, score, f"/scores/{at}")


def check_conditions(programme: Programme, catalogue: Catalogue) -> list[Doubt]:
    """Warnings, such as of events that nobody has sent. Raises: ConditionError with the place in the programme."""
    doubts: list[Doubt] = []
    for condition, path in list_conditions(programme):
        try:
            check_asked(condition.written)
            found = check_tree(condition.written, catalogue, events_may_come=True)
        except ConditionError as error:
            place = path + (error.path or "").rstrip("/")
            raise type(error)(error.message, path=place, suggestion=error.suggestion) from error
        doubts += [replace(one, path=path + one.path) for one in found]
    return doubts


def list_messages(programme: Programme) -> list[str]:
    """The places of effects that send a message."""
    return [
        f"{path}/{at}"
        for effects, path in _list_effects(programme)
        for at, effect in enumerate(effects)
        if isinstance(effect, SendMessage)
    ]


def list_conditions(programme: Programme) -> list[tuple[Condition, str]]:
    """Each with its place."""
    earn = [(one.when, f"/earn/{at}/when") for at, one in enumerate(programme.earn)]
    badges = [(one.when, f"/badges/{at}/when") for at, one in enumerate(programme.badges) if one.when is not None]
    missions = [
        (one.target, f"/missions/{at}/target") for at, one in enumerate(programme.missions) if one.target is not None
    ]
    return [*earn, *badges, *missions]


def list_events(condition: Condition) -> list[str]:
    """The events that a condition asks of: what happens at another changes nothing that they say."""
    return sorted({leaf.what.event for leaf in list_leaves(condition.tree) if isinstance(leaf, Did)})


def list_triggers(condition: Condition) -> list[EventFilter]:
    """The events that set a rule off: those of its `did`s that are not negated."""
    return list(dict.fromkeys(_triggers_of(condition.tree, is_negated=False)))


def _triggers_of(node: Node, *, is_negated: bool) -> Iterator[EventFilter]:
    match node:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _triggers_of(part, is_negated=is_negated)
        case Not(part):
            yield from _triggers_of(part, is_negated=not is_negated)
        case Did(what) if not is_negated:
            yield what
        case _:
            pass


def _list_effects(programme: Programme) -> Iterator[tuple[Sequence[Effect], str]]:
    for at, rule in enumerate(programme.earn):
        yield rule.award, f"/earn/{at}/award"
    for at, mission in enumerate(programme.missions):
        yield mission.then.award, f"/missions/{at}/then/award"


def _refuse(message: str, path: str, suggestion: str | None = None) -> ProgrammeInvalid:
    return ProgrammeInvalid(message, path=path, suggestion=suggestion)


def _check_known(what: str, name: str | None, known: Iterable[str], path: str) -> None:
    names = list(known)
    if name is not None and name not in names:
        raise _refuse(f"the programme has no {what} {name!r}", path, suggest_name(name, names))


def _check_once(names: Sequence[str], path: str, word: str | None = None) -> None:
    seen: set[str] = set()
    for at, name in enumerate(names):
        if name in seen:
            raise _refuse(f"{name!r} is there twice", f"{path}/{at}" + (f"/{word}" if word else ""))
        seen.add(name)


def _check_days(days: Days | None, path: str) -> None:
    if days is not None and days.from_ is not None and days.until is not None and days.until < days.from_:
        raise _refuse("the window ends before it begins", f"{path}/until")


# --- assets, tiers, conditions -----------------------------------------------------------------------------------------


def _check_assets(programme: Programme) -> None:
    paying: str | None = None
    for name, asset in programme.assets.items():
        path = f"/assets/{escape_segment(name)}"
        if asset.redeemable == asset.qualifying:
            said = "both would let spending decide the tier" if asset.redeemable else "it says neither"
            raise _refuse(f"asset {name!r} is either redeemable or qualifying: {said}", path, "redeemable")
        for word, is_said in (("expires", asset.expires != Never()), ("worth", asset.worth is not None)):
            if asset.qualifying and is_said:
                message = f"qualifying points are counted in a window and never spent: {name!r} has no {word!r}"
                raise _refuse(message, f"{path}/{word}")
        if asset.worth is not None:
            if paying is not None:
                raise _refuse(f"orders are paid with {paying!r} already; one asset has a worth", f"{path}/worth")
            paying = name


def _check_tiers(programme: Programme, tiers: Tiers) -> None:
    _check_known("asset", tiers.asset, programme.assets, "/tiers/asset")
    if not programme.assets[tiers.asset].qualifying:
        known = [name for name, asset in programme.assets.items() if asset.qualifying]
        message = f"tiers are decided by a qualifying asset; {tiers.asset!r} can be spent"
        raise _refuse(message, "/tiers/asset", known[0] if known else None)
    if not tiers.levels or tiers.levels[0].enter != 0:
        path = "/tiers/levels/0/enter" if tiers.levels else "/tiers/levels"
        raise _refuse("the lowest level is entered with 0: everybody has one", path, "0")
    _check_once([level.name for level in tiers.levels], "/tiers/levels", "name")
    if tiers.downgrade == "one_down" and tiers.status is None:
        raise _refuse("going one level down at a time needs the 'status' each lasts", "/tiers/status", "12 months")
    for at, level in enumerate(tiers.levels):
        path = f"/tiers/levels/{at}"
        _check_known("voucher pool", level.voucher, (pool.name for pool in programme.vouchers), f"{path}/voucher")
        _check_once(level.privileges, f"{path}/privileges")
        for word, least in (("retain", level.least_to_retain), ("re_enter", level.least_to_re_enter)):
            if least > level.enter:
                raise _refuse(f"what lets a member {word} {level.name!r} is more than what enters it", f"{path}/{word}")
        if level.least_to_re_enter < level.least_to_retain:
            message = f"what re-enters {level.name!r} would not retain it: the level would end as it begins"
            raise _refuse(message, f"{path}/re_enter", str(level.least_to_retain))
    _check_rising(tiers)


def _check_rising(tiers: Tiers) -> None:
    for at, (lower, upper) in enumerate(pairwise(tiers.levels), 1):
        path = f"/tiers/levels/{at}"
        for word, low, high in (
            ("enter", lower.enter, upper.enter),
            ("retain", lower.least_to_retain, upper.least_to_retain),
            ("re_enter", lower.least_to_re_enter, upper.least_to_re_enter),
        ):
            if low >= high:
                message = f"levels {lower.name!r} and {upper.name!r} overlap: {word} does not rise, {low} to {high}"
                raise _refuse(message, f"{path}/{word}")


def _check_beside(programme: Programme, condition: Condition, path: str) -> None:
    if condition.tier_at_least is not None:
        _check_level(programme, condition.tier_at_least, condition.paths[condition.tier_at_least])
    for badge in condition.badges:
        _check_known("badge", badge, [one.name for one in programme.badges], condition.paths[badge])
    if not (list_triggers(condition) if path.startswith("/earn") else list_events(condition)):
        raise _refuse("no part of this says which event sets it off", path, "did")


# --- effects, missions -------------------------------------------------------------------------------------------------


def _check_effect(programme: Programme, effect: Effect, path: str) -> None:
    match effect:
        case GrantBadge(badge):
            _check_known("badge", badge, (one.name for one in programme.badges), f"{path}/badge")
        case IssueVoucher(voucher):
            _check_known("voucher pool", voucher, (one.name for one in programme.vouchers), f"{path}/voucher")
        case ProgressMission(mission):
            counted = [one.name for one in programme.missions if one.steps is not None]
            _check_known("mission that counts 'steps' named", mission, counted, f"{path}/mission")
        case AwardPer() | AwardLadder() | Multiply() | AwardFixed():
            _check_known("asset", effect.asset, programme.assets, f"{path}/asset")
            if isinstance(effect, AwardLadder):
                _check_ladder(effect.ladder.steps, f"{path}/ladder/steps")
        case _:
            pass


def _check_ladder(steps: Sequence[Step | ScoreStep], path: str) -> None:
    if not steps:
        raise _refuse("a ladder has steps", path)
    for at, (step, following) in enumerate(pairwise(steps)):
        if step.until is None:
            raise _refuse("only the last step is open", f"{path}/{at}/until", str(following.from_))
        if step.until != following.from_:
            what = "a gap" if step.until < following.from_ else "an overlap"
            message = f"the ladder has {what}: a step ends at {step.until}, the next begins at {following.from_}"
            raise _refuse(message, f"{path}/{at + 1}/from", str(step.until))
    for at, step in enumerate(steps):
        if step.until is not None and step.until <= step.from_:
            raise _refuse("a step ends after it begins", f"{path}/{at}/until")
    if steps[-1].until is not None:
        raise _refuse(
            "the last step is open: what lies above it would bring nothing", f"{path}/{len(steps) - 1}/until", "null"
        )


def _check_mission(mission: Mission, path: str) -> None:
    said = [word for word in ("target", "streak", "steps") if getattr(mission, word) is not None]
    if len(said) != 1:
        raise _refuse(
            "a mission has one of target, streak and steps", f"{path}/{said[1]}" if said else f"{path}/target"
        )
    if not mission.then.award:
        raise _refuse("reaching a mission brings something", f"{path}/then/award")
    for at, effect in enumerate(mission.then.award):
        if isinstance(effect, AwardPer | AwardLadder | Multiply):
            message = "a mission is no event with a number: its awards are amounts"
            raise _refuse(message, f"{path}/then/award/{at}", "amount")
    if mission.target is not None:
        get_target(mission.target, f"{path}/target")
    _check_days(mission.valid, f"{path}/valid")


def get_target(condition: Condition, path: str) -> tuple[Did, Any]:
    """The `did` of a mission's target and the number to reach. Raises: ProgrammeInvalid."""
    did = condition.tree
    if not isinstance(did, Did) or did.edges or len(did.aggregates) > 1 or condition.tier_at_least or condition.badges:
        raise _refuse("a mission's target is one `did` with at most one number to reach", path, "did")
    if not did.aggregates:
        return did, 1
    aim = did.aggregates[0]
    if aim.kind not in ("count", "sum", "distinct") or aim.range.at_least is None or aim.range.at_least <= 0:
        raise _refuse(
            "a target is a count, sum or distinct of `at_least` so much", f"{path}/did/{aim.kind}", "at_least"
        )
    return did, aim.range.at_least


# --- vouchers, rewards, events, scores ---------------------------------------------------------------------------------


def _check_pool(pool: VoucherPool, path: str) -> None:
    if isinstance(pool.codes, tuple):
        _check_once(pool.codes, f"{path}/codes")
        if not pool.codes or (pool.stock is not None and pool.stock > len(pool.codes)):
            raise _refuse(f"there are {len(pool.codes)} codes, fewer than the stock", f"{path}/codes")
    if pool.budget is not None and pool.discount is None:
        raise _refuse("a budget bounds discounts: the pool has none", f"{path}/discount")
    _check_days(pool.window, f"{path}/window")
    if pool.hours is not None:
        _check_hours(pool.hours, f"{path}/hours")


def _check_hours(hours: Hours, path: str) -> None:
    if (hours.from_ is None) != (hours.until is None):
        raise _refuse("hours have a beginning and an end", f"{path}/{'from' if hours.from_ is None else 'until'}")
    if hours.from_ is None and not hours.weekdays:
        raise _refuse("hours say weekdays, or from and until", path, "weekdays")
    if hours.from_ is not None and hours.from_ == hours.until:
        raise _refuse("these hours are over when they begin", f"{path}/until")
    _check_once([str(day) for day in hours.weekdays], f"{path}/weekdays")


def _check_rewards(programme: Programme) -> None:
    redeemable = [name for name, asset in programme.assets.items() if asset.redeemable]
    for at, reward in enumerate(programme.rewards):
        _check_known("asset", reward.asset, programme.assets, f"/rewards/{at}/asset")
        if reward.asset not in redeemable:
            message = f"{reward.asset!r} decides the tier and is never spent"
            raise _refuse(message, f"/rewards/{at}/asset", redeemable[0] if redeemable else None)
        _check_level(programme, reward.tier, f"/rewards/{at}/tier")


def _check_level(programme: Programme, name: str | None, path: str) -> None:
    levels = () if programme.tiers is None else programme.tiers.levels
    _check_known("level", name, [level.name for level in levels], path)


def _check_registration(programme: Programme, event: Registration, path: str) -> None:
    if not event.stages:
        raise _refuse("an event opens at a stage at least", f"{path}/stages")
    for at, stage in enumerate(event.stages):
        _check_level(programme, stage.tier, f"{path}/stages/{at}/tier")
        _check_known("badge", stage.badge, (one.name for one in programme.badges), f"{path}/stages/{at}/badge")
    said = [f"{stage.tier or 'every tier'}, {stage.badge or 'any badge'}" for stage in event.stages]
    _check_once(said, f"{path}/stages")


def _check_score(programme: Programme, score: Score, path: str) -> None:
    _check_ladder(score.ladder, f"{path}/ladder")
    if score.ladder[0].from_ != 0:
        raise _refuse("scores begin at 0", f"{path}/ladder/0/from", "0")
    if score.ladder[-1].from_ > score.max:
        raise _refuse(f"no score is above {score.max}", f"{path}/ladder/{len(score.ladder) - 1}/from")
    pools = [pool.name for pool in programme.vouchers]
    for at, step in enumerate(score.ladder):
        _check_known("voucher pool", step.voucher, pools, f"{path}/ladder/{at}/voucher")

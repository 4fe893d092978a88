"""Refusals of loyalty programmes."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class ProgrammeInvalid(DomainError):
    """A programme with a missing, wrong or contradictory field."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "programme.invalid"


class ProgrammeUnknown(DomainError):
    """The brand has no programme of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "programme.unknown"


class ProgrammeAmbiguous(DomainError):
    """Several programmes have a pool, a reward, an event or a score of this name: say which."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "programme.ambiguous"


class ProgrammeNotValid(DomainError):
    """The programme has not begun, or is over: it gives nothing today."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "programme.not_valid"


# --- vouchers ----------------------------------------------------------------------------------------------------------


class PoolUnknown(DomainError):
    """No programme of the brand has a voucher pool of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "voucher.pool_unknown"


class VoucherUnknown(DomainError):
    """The brand has issued no voucher with this code."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "voucher.unknown"


class VoucherInvalid(DomainError):
    """A request for vouchers with a wrong amount or instant."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "voucher.invalid"


class VoucherNotTheirs(DomainError):
    """The voucher was issued to another member."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "voucher.not_theirs"


class VoucherOutOfStock(DomainError):
    """All vouchers of the pool are issued."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.out_of_stock"


class VoucherPerMember(DomainError):
    """The member had as many vouchers of the pool as one may have, under this or another identity."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.per_member"


class VoucherNotNew(DomainError):
    """The pool is for members whom a partner does not know, and this one it knows, or cannot be asked about."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.not_new"


class VoucherInState(DomainError):
    """The voucher is used, or reserved for another order, or not reserved where it is to be confirmed."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.state"


class VoucherExpired(DomainError):
    """The voucher's time is over."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.expired"


class VoucherOutsideWindow(DomainError):
    """The pool's vouchers are not used on this day: before its window or after it."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.window"


class VoucherOutsideHours(DomainError):
    """The pool's vouchers are not used on this weekday, or at this hour."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.hours"


class VoucherOrderTooSmall(DomainError):
    """The order's amount is less than the pool asks for."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.order_at_least"


class VoucherBudgetSpent(DomainError):
    """The discount is more than what is left of the pool's budget."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "voucher.budget"


class PartnerInvalid(DomainError):
    """A partner's list of customers that is none of SHA-256 digests, or a name that none has."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "partner.invalid"


# --- rewards, staged events, scores ------------------------------------------------------------------------------------


class RewardUnknown(DomainError):
    """No programme of the brand has a reward of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "reward.unknown"


class RewardOutOfStock(DomainError):
    """All of the reward are taken or reserved."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "reward.out_of_stock"


class RewardTierTooLow(DomainError):
    """The reward is for higher tiers."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "reward.tier"


class RewardInvalid(DomainError):
    """A request for a reward with a wrong instant."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "reward.invalid"


class BalanceInsufficient(DomainError):
    """The member has fewer points than the reward costs."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "balance.insufficient"


class RewardNotPayable(DomainError):
    """The ledger does not let the member's points be held: its account is closed, or a limit would be passed."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "reward.not_payable"


class RedemptionUnknown(DomainError):
    """The brand has no redemption of this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "redemption.unknown"


class RedemptionEnded(DomainError):
    """The redemption was confirmed or released, or its time is over: it cannot end in another way."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "redemption.ended"


class RegistrationUnknown(DomainError):
    """No programme of the brand has an event of this name, or the member never registered for it."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "registration.unknown"


class RegistrationNotOpen(DomainError):
    """Registering has not begun for members of this tier with these badges."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "registration.not_open"


class RegistrationClosed(DomainError):
    """Registering is over."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "registration.closed"


class RegistrationFull(DomainError):
    """All places are taken, and there is no waiting list."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "registration.full"


class ScoreUnknown(DomainError):
    """No programme of the brand has a score of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "score.unknown"


class ScoreInvalid(DomainError):
    """A score that cannot be: below 0, above the most there is, or with an id that none is."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "score.invalid"


class ScoreConflict(DomainError):
    """This id is another score's: of another member, or another number."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "score.conflict"


class ScoreTwice(DomainError):
    """The member has a score today: one counts on each of the brand's days."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "score.once_a_day"

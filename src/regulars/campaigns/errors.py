"""Refusals of campaigns and plans."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class CampaignInvalid(DomainError):
    """A campaign with a missing, wrong or contradictory field."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "campaign.invalid"


class CampaignAudienceUnknown(DomainError):
    """A campaign to an audience that the brand does not have."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "campaign.unknown_audience"


class CampaignChannelUnknown(DomainError):
    """A campaign on a channel that the brand does not have."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "campaign.unknown_channel"


class CampaignTraitUnknown(DomainError):
    """A campaign whose value is a trait that no member has, or that is no number."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "campaign.unknown_trait"


class CampaignUnknown(DomainError):
    """The brand has no campaign of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "campaign.unknown"


class PlanInvalid(DomainError):
    """A plan that is asked for with a missing, wrong or contradictory field."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "plan.invalid"


class PlanPast(DomainError):
    """All the days of the plan are over, or quiet hours leave nothing of them."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "plan.past"


class PlanUnknown(DomainError):
    """The brand has no plan of this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "plan.unknown"


class PlanStateConflict(DomainError):
    """What is asked of the plan does not go with its state."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "plan.state_conflict"

"""Which member gets which campaign on which channel: the plan of most value under all limits at once. Pure: arrays in, arrays out.

    maximise   share × Σ value·x − Σ cost of each channel's expected messages (− fees, where price plans are to choose from)
    subject to a member's caps, over all and of each topic        every assignment counts, withheld ones too
               one channel for a member and campaign
               a channel's quota and price plan, a campaign's     what goes counts: its share `going_share`, or, where
               size and budget                                    the arms are drawn, also those really drawn

How a caller uses it (model.py has the forms, plan.py the answer):

    problem = Problem(campaigns, channels, values, caps, withheld)     values[campaign, channel, member], -inf: may not be sent
    prepared = prepare(problem, seed=seed)                             once, also for all variants
    plan = solve(prepared)
    plan.assignments.member, .campaign, .channel, .value_micros, .price_micros, .withheld     columns, by member
    summarise(plan)                                                    figures in micros
    explain_unsent(plan)                                               each member's best unsent message, and why it is not sent
    weigh(prepared, plan, [Variant("without x", without_campaign(problem, "x")), …])     what-if, as rows of a table
    rank_first_come(prepared, plan), …                                 what would be sent without a planner

Modules: `pricing` cuts price plans into convex pieces; `shared` are the limits with a price each; `choosing` is what members
choose at prices; `duals` finds the prices; `repairing` and `polishing` make choices a plan; `exact` solves small plans to the
optimum; `solving` searches over pieces and over keeping or dropping campaigns with a least size.

**The bound, to be computed again by anybody.** Let λ be `plan.prices` (by name), g the campaign's `going_share`, G their mean,
and π the highest price of the channel's price plan up to the step taken. An assignment of campaign c on channel k pays

    θ(c,k) = g(c) × (λ[quota:k], or its only price where it has no end + λ[size:c] + π(k) × λ[budget:c])

and for every λ no plan is worth more than

    Σ over members: the most that G × value − θ adds up to over messages that the member's caps allow
    + Σ over channels: the most that n × λ[quota:k] − cost(n) reaches over numbers of messages n
    + Σ over campaigns: size_max × λ[size:c]   (size_min × λ where λ is below zero and the campaign is kept)
    + Σ over campaigns: budget × λ[budget:c].

Where price plans or least sizes make several cases, `bound_micros` is the highest over the cases.
"""

from regulars.campaigns.planner.baselines import (
    Baseline,
    random_first_come,
    rank_first_come,
    take_greedily,
    with_noise,
)
from regulars.campaigns.planner.errors import ProblemInvalid, ProblemTooLarge
from regulars.campaigns.planner.explaining import Reason, Unsent, explain_unsent
from regulars.campaigns.planner.model import (
    MICROS,
    Campaign,
    Cap,
    Channel,
    Problem,
    to_micros,
    values_from_candidates,
)
from regulars.campaigns.planner.plan import Assignments, Plan, summarise
from regulars.campaigns.planner.solving import Prepared, prepare, solve, vary
from regulars.campaigns.planner.what_if import (
    Row,
    Variant,
    weigh,
    with_move,
    with_price_plans,
    without_campaign,
)

__all__ = [
    "MICROS",
    "Assignments",
    "Baseline",
    "Campaign",
    "Cap",
    "Channel",
    "Plan",
    "Prepared",
    "Problem",
    "ProblemInvalid",
    "ProblemTooLarge",
    "Reason",
    "Row",
    "Unsent",
    "Variant",
    "explain_unsent",
    "prepare",
    "random_first_come",
    "rank_first_come",
    "solve",
    "summarise",
    "take_greedily",
    "to_micros",
    "values_from_candidates",
    "vary",
    "weigh",
    "with_move",
    "with_noise",
    "with_price_plans",
    "without_campaign",
]

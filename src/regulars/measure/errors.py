"""What can be wrong with an experiment in a file, or with what is asked of it; one bad row is counted, never an error.

DomainError
├── GoalMissing             a campaign says nothing that could be counted
└── ExperimentInvalid
    ├── ColumnUnknown       a named column is not in the file
    ├── ColumnTwice         one column is to be two things
    ├── ControlUnknown      no row is of the control arm
    ├── OneArm              all rows are of one arm: there is nothing to compare
    ├── ArmsTooMany         more arms than an experiment has: probably another column
    ├── ShareInvalid        --share is not ARM=WEIGHT, or not of every arm
    └── NothingReadable     no row of the file can be used
"""

from regulars.kernel.errors import DomainError, Kind


class ExperimentInvalid(DomainError):
    """A file that is no experiment, or not the one that was named."""

    kind = Kind.INVALID


class ColumnUnknown(ExperimentInvalid):
    """The file has no column of that name."""

    code = "lift.column_unknown"


class ColumnTwice(ExperimentInvalid):
    """One column is named as two of arm, outcome and covariate."""

    code = "lift.column_twice"


class ControlUnknown(ExperimentInvalid):
    """No row is of the arm named as control."""

    code = "lift.control_unknown"


class OneArm(ExperimentInvalid):
    """All rows are of one arm."""

    code = "lift.one_arm"


class ArmsTooMany(ExperimentInvalid):
    """The arm column has more values than an experiment has arms."""

    code = "lift.arms_too_many"


class ShareInvalid(ExperimentInvalid):
    """An expected share is not ARM=WEIGHT with a weight above 0, or an arm has none."""

    code = "lift.share_invalid"


class NothingReadable(ExperimentInvalid):
    """No row of the file can be used."""

    code = "lift.nothing_readable"


class GoalMissing(DomainError):
    """A campaign without a goal: there is nothing to count."""

    kind = Kind.CONFLICT
    code = "lift.goal_missing"

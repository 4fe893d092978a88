"""How many examples a property test tries: few in a normal run, many times as many in a long one.

Decides the factor alone. The long run is tests/test_properties.py.
"""

import os

TIMES_NAME = "REGULARS_TESTS_EXAMPLES_TIMES"
TIMES = int(os.environ.get(TIMES_NAME, "1"))


def few(examples: int) -> int:
    """So many in a normal run."""
    return examples * TIMES

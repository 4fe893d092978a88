"""A brand's history and its members, and what is computed of them."""

from tests.history.conftest import place as place
from tests.history.conftest import reader as reader
from tests.history.conftest import take as take

"""A brand that plans and sends, and whose lift is counted."""

from tests.campaigns.conftest import engine as engine
from tests.campaigns.conftest import planner as planner
from tests.campaigns.conftest import take as take
from tests.history.conftest import place as place
from tests.history.conftest import reader as reader

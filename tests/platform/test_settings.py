"""What the environment may set: wrong values are refused with the variable's name, and never shown where they are secret."""

import pytest

from regulars.platform.errors import SettingInvalid
from regulars.platform.settings import read_settings


@pytest.mark.parametrize("url", ["sc://localhost", "sc://10.0.0.5:15002", "sc://[::1]:50051/;use_ssl=true;token=abc"])
def test_an_address_of_a_cluster_is_taken(url: str) -> None:
    assert read_settings(engine=url).engine == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("spark://secret:1", "begin with sc://"),
        ("sc://", "needs a host"),
        ("sc://secret:0", "needs a host and a port"),
        ("sc://secret:99999", "a port that is not one"),
        ("sc://secret:1/path", "has a path"),
        ("sc://secret:1/;token", "not key=value"),
        ("", "begin with sc://"),
    ],
)
def test_another_is_refused_without_showing_it(url: str, said: str) -> None:
    with pytest.raises(SettingInvalid, match=said) as refused:
        read_settings(engine=url)
    assert refused.value.path == "REGULARS_ENGINE" and "secret" not in str(refused.value)

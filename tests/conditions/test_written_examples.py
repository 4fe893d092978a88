"""What the how-to shows in YAML and in Python is one tree, and every YAML example can be read."""

import re
from itertools import pairwise

import regulars
from regulars.conditions.read_yaml import parse_yaml
from tests.architecture.sources import ROOT

BLOCK = re.compile(r"^```(yaml|python|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_both_forms_of_each_example_are_one_tree() -> None:
    text = (ROOT / "docs" / "how-to" / "write-conditions.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    pairs = [(one[1], other[1]) for one, other in pairwise(blocks) if (one[0], other[0]) == ("yaml", "python")]
    assert len(pairs) >= 6
    names = {name: getattr(regulars, name) for name in regulars.__all__}
    for yaml_text, python_text in pairs:
        assert eval(python_text.strip(), names).tree == parse_yaml(yaml_text)

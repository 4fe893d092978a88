"""Templates: what a missing value means, what is refused when they are read, and what they cannot reach."""

from datetime import UTC, datetime

import pytest

from regulars.messaging.content.limits import VALUE_CHARACTERS_MAX
from regulars.messaging.content.templates import Template, compile_template
from regulars.messaging.errors import MissingValue, TemplateInvalid

PAIRS = [{"name": "boots"}, {"name": "heels"}]
OBJECTS = {
    "member": {
        "id": "mem_1",
        "traits": {
            "first_name": "Ada",
            "spaces": "  ",
            "nothing": None,
            "visits": 0,
            "age": 30,
            "likes": [],
            "pairs": PAIRS,
        },
        "tags": ["vip"],
        "language": "en",
    },
    "items": {"p-9": PAIRS[0]},
    "campaign": {"name": "spring"},
    "brand": {"name": "Wanhua"},
    "now": datetime(2026, 12, 1, 9, tzinfo=UTC),
}


def render(source: str) -> str:
    compiled = compile_template(source, "/message/en/text")
    return compiled.render(OBJECTS) if isinstance(compiled, Template) else compiled


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("no template", "no template"),
        ("Hi {{ member.traits.first_name }},", "Hi Ada,"),
        ("{{ member.traits['first_name'] }}", "Ada"),
        ("{{ member.traits.visits }} visits", "0 visits"),
        ("{{ member.traits.nick | default: '您好' }},", "您好,"),
        ("{{ member.traits.spaces | default: '您好' }},", "您好,"),
        ("{{ member.traits.nothing | upcase | append: '!' | default: 'you' }}", "you"),
        ("{{ member.traits.nick | default: member.traits.first_name }}", "Ada"),
        ("{{ member.traits.likes | size }}", "0"),
        ("{{ items['p-9'].name }} {{ items.p-9.name | upcase }}", "boots BOOTS"),
        ("{{ member.traits.pairs | map: 'name' | join: ' & ' }}", "boots & heels"),
        ("{% for one in member.traits.pairs %}{{ forloop.index }} {{ one.name }};{% endfor %}", "1 boots;2 heels;"),
        ("{% for one in member.traits.likes %}{{ one }}{% else %}none{% endfor %}", "none"),
        ("{% if member.tags contains 'vip' %}★{% endif %}", "★"),
        ("{% if member.traits.nick %}a{% else %}b{% endif %}", "b"),
        ("{% if member.traits.spaces %}a{% else %}b{% endif %}", "b"),
        ("{% if member.traits.nick > 3 or member.traits.nick contains 'x' %}a{% else %}b{% endif %}", "b"),
        ("{% if member.traits.nick == blank and member.traits.nick == nil %}a{% endif %}", "a"),
        ("{% if member.traits.spaces == '' and member.traits.likes == empty %}a{% endif %}", "a"),
        ("{% unless member.traits.first_name != blank %}a{% else %}b{% endunless %}", "b"),
        ("{% assign name = member.traits.nick | default: 'you' %}{{ name }}", "you"),
        ("{{ 'now' | date: '%Y-%m-%d' }} {{ now | date: '%H' }}", "2026-12-01 09"),
        ("{% raw %}{{ as it is }}{% endraw %}", "{{ as it is }}"),
    ],
)
def test_what_is_printed(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "variable"),
    [
        ("Hi {{ member.traits.nick }},", "member.traits.nick"),
        ("Hi {{ member.traits.spaces }},", "member.traits.spaces"),
        ("Hi {{ member.traits.nothing | upcase | append: '!' }},", "member.traits.nothing"),
        ("{{ 'Hi ' | append: member.traits.nick }}", "member.traits.nick"),
        ("{% assign hi = 'Hi ' | append: member.traits.nick %}{{ hi }}", "member.traits.nick"),
        ("{% capture hi %}Hi {{ member.traits.nick }}{% endcapture %}", "member.traits.nick"),
        ("{{ member.traits.nick | default: member.traits.nothing }}", "member.traits.nick"),
        ("{{ items['p-7'].name }}", "items.p-7.name"),
        ("{% for one in member.traits.pairs %}{{ one.colour }}{% endfor %}", "one.colour"),
        ("{{ member.traits.first_name | remove: 'Ada' }}", "member.traits.first_name"),
        ("{% echo member.traits.nick %}", "member.traits.nick"),
        ("{{ member.traits.__class__.__mro__ }}", "member.traits.__class__.__mro__"),
        ("{{ member }}", "member"),
    ],
)
def test_a_missing_value_is_refused_by_its_name(source: str, variable: str) -> None:
    with pytest.raises(MissingValue) as refused:
        render(source)
    assert refused.value.fields["variable"] == variable
    assert variable in refused.value.message
    assert refused.value.path == "/message/en/text"


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("{{ member.traits.x", 1, "expected '}}'"),
        ("one\n{% if %}", 2, "missing expression"),
        ("one\ntwo {% endif %}", 2, "endif"),
        ("one\n{{ member.id | shout }}", 2, "there is no filter shout"),
        ("{{ user.name }}", 1, "there is no object user"),
        ("{{ member.first_name }}", 1, "member has no first_name"),
        ("{{ member.__class__ }}", 1, "member has no __class__"),
        ("{% include 'settings' %}", 1, "include"),
        ("{% render 'settings' %}", 1, "render"),
        ("{{ member.id | safe }}", 1, "there is no filter safe"),
        ("{{ member.points }}", 1, "member has no points"),
        ("{{ item.name }}", 1, "there is no object item"),
        ("one\n{{ items[member.traits.fav].name }}", 2, "items takes the id of one item"),
        ("{{ items[7].name }}", 1, "items takes the id of one item"),
        ("{% for one in items %}{{ one.name }}{% endfor %}", 1, "items takes the id of one item"),
        ("{% assign all = items %}{{ all }}", 1, "items takes the id of one item"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(source: str, line: int, said: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        compile_template(source, "/message/en/text")
    assert said in refused.value.message
    assert refused.value.fields["line"] == line
    assert refused.value.path == "/message/en/text"


def test_a_near_name_is_suggested() -> None:
    for source, meant in [
        ("{{ membr.id }}", "member"),
        ("{{ member.first_name }}", "member.traits.first_name"),
        ("{{ items[7] }}", "items['ID']"),
    ]:
        with pytest.raises(TemplateInvalid) as refused:
            compile_template(source, "/x")
        assert refused.value.suggestion == meant


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..900) %}{% for j in (1..900) %}x{% endfor %}{% endfor %}",
        "{{ (1..1000000000) | join: ',' }}",
        "{% assign x = 'aaaa' %}{% for i in (1..200) %}{% assign x = x | append: x %}{% endfor %}",
        "{% assign x = 9 %}{% for i in (1..200) %}{% assign x = x | times: x %}{% endfor %}",
        "{% assign x = 'aaaa' %}{% for i in (1..20) %}{% assign x = x | replace: 'a', x %}{% endfor %}",
        "{% for i in (1..900) %}" + "x" * 1_000 + "{% endfor %}",
    ],
)
def test_no_template_grows_without_end(source: str) -> None:
    with pytest.raises(TemplateInvalid):
        render(source)


def test_a_value_that_does_not_fit_refuses_the_member_and_a_constant_the_template() -> None:
    with pytest.raises(MissingValue, match="line 1"):
        render("{{ member.traits.age | divided_by: member.traits.visits }}")
    with pytest.raises(TemplateInvalid, match="line 1"):
        render("{{ 1 | divided_by: 0 }}")
    with pytest.raises(TemplateInvalid):
        compile_template("x" * (VALUE_CHARACTERS_MAX + 1), "/x")


def test_what_a_template_tells_of_itself() -> None:
    personal = compile_template("Hi {{ member.traits.first_name }}, {{ brand.name }}", "/x")
    assert isinstance(personal, Template)
    assert personal.is_personal
    assert personal.variables == {"member.traits.first_name", "brand.name"}
    assert personal.known == "Hi , "
    shared = compile_template("{{ brand.name }} {{ campaign.name | upcase }} {{ items['p-9'].name }}", "/x")
    assert isinstance(shared, Template)
    assert not shared.is_personal
    assert shared.item_ids == {"p-9"}


def test_nobody_reads_hi_and_a_comma() -> None:
    with pytest.raises(MissingValue):
        render("Hi {{ member.traits.nick }},")

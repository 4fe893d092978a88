"""Sentences about conditions, in Chinese and English, as they should read."""

import pytest
from hypothesis import given, settings

from regulars.conditions.explain import explain, explain_leaf
from regulars.conditions.read_yaml import parse_yaml
from regulars.conditions.tree import Node, list_leaves
from tests.support.examples import few
from tests.support.trees import TREES

# fmt: off
GOLDEN = [
    (
        "points: {stars: {at_least: 3}}",
        "點數「stars」至少 3 的會員。",
        "Members who have at least 3 “stars”.",
    ),
    (
        "not: {points: {stars: {between: [3, 9]}}}",
        "點數「stars」並非介於 3 到 9 之間的會員。",
        "Members who do not have between 3 and 9 “stars”.",
    ),
    (
        "all: [{tier: gold}, {not: {tier: {at_least: gold}}}]",
        "同時符合下列條件的會員：等級為「gold」；等級不是「gold」以上。",
        "Members who are at the tier “gold”; and who are not at the tier “gold” or above.",
    ),
    (
        "all: [{badge: reader}, {not: {badge: reader}}]",
        "同時符合下列條件的會員：有徽章「reader」；沒有徽章「reader」。",
        "Members who have the badge “reader”; and who do not have the badge “reader”.",
    ),
    (
        "any: [{mission: {name: 集章, state: done}}, {not: {mission: {name: 集章, state: done}}}]",
        "符合下列任一條件的會員：已完成任務「集章」；尚未完成任務「集章」。",
        "Members who completed the mission “集章”; or who did not complete the mission “集章”.",
    ),
    (
        "any: [{voucher: {pool: 半價, state: issued}}, {not: {voucher: {pool: 半價, state: used}}}]",
        "符合下列任一條件的會員：有已發放的票券「半價」；沒有已使用的票券「半價」。",
        "Members who have a voucher “半價” that is issued; or who do not have a voucher “半價” that is used.",
    ),
    (
        "trait: {gender: female}",
        "屬性「gender」為「female」的會員。",
        "Members whose trait “gender” is “female”.",
    ),
    (
        "trait: {age: {between: [25, 54]}}",
        "屬性「age」介於 25 到 54 之間的會員。",
        "Members whose trait “age” is between 25 and 54.",
    ),
    (
        "trait: {city: [台北, 新北, 桃園]}",
        "屬性「city」為「台北」、「新北」或「桃園」的會員。",
        "Members whose trait “city” is “台北”, “新北” or “桃園”.",
    ),
    (
        "trait: {newsletter: true}",
        "屬性「newsletter」為「是」的會員。",
        "Members whose trait “newsletter” is true.",
    ),
    (
        "trait: {city: {none_of: [台北]}}",
        "屬性「city」有值，但不是「台北」的會員。",
        "Members whose trait “city” is set but is not “台北”.",
    ),
    (
        "trait: {name: {prefix: 王}}",
        "屬性「name」以「王」開頭的會員。",
        "Members whose trait “name” starts with “王”.",
    ),
    (
        "trait: {phone: {exists: true}}",
        "有屬性「phone」的會員。",
        "Members whose trait “phone” is set.",
    ),
    (
        "trait: {phone: {exists: false}}",
        "沒有屬性「phone」的會員。",
        "Members whose trait “phone” is not set.",
    ),
    (
        "trait: {likes: {has_any: [茶, 咖啡]}}",
        "屬性「likes」包含「茶」或「咖啡」的會員。",
        "Members whose trait “likes” contains “茶” or “咖啡”.",
    ),
    (
        "trait: {likes: {has_all: [茶, 咖啡]}}",
        "屬性「likes」同時包含「茶」和「咖啡」的會員。",
        "Members whose trait “likes” contains “茶” and “咖啡”.",
    ),
    (
        "trait: {born: {before: 2000-01-01}}",
        "屬性「born」在 2000-01-01 以前（不含）的會員。",
        "Members whose trait “born” is before 2000-01-01.",
    ),
    (
        "trait: {expires: {next: 30d}}",
        "屬性「expires」在接下來 30 天內的會員。",
        "Members whose trait “expires” is in the next 30 days.",
    ),
    (
        "not: {trait: {gender: female}}",
        "屬性「gender」不是「female」（沒有值也算）的會員。",
        "Members whose trait “gender” is not “female”, or is not set.",
    ),
    (
        "not: {trait: {age: {at_least: 25}}}",
        "屬性「age」並非至少 25（沒有值也算）的會員。",
        "Members whose trait “age” is not at least 25, or is not set.",
    ),
    (
        "tag: {is: vip, weight: {at_least: 0.5}}",
        "有權重至少 0.5 的標籤「vip」的會員。",
        "Members who have the tag “vip” with a weight of at least 0.5.",
    ),
    (
        "not: {tag: vip}",
        "沒有標籤「vip」的會員。",
        "Members who do not have the tag “vip”.",
    ),
    (
        "consent: {channel: line-main, purpose: marketing}",
        "已同意管道「line-main」的「marketing」用途的會員。",
        "Members who consented to “marketing” on the channel “line-main”.",
    ),
    (
        "identity: line",
        "有 LINE 識別的會員。",
        "Members who have an identity of the kind LINE.",
    ),
    (
        "did: {event: Order Completed, count: {at_least: 2}, within: 30d, where: {category: heels}}",
        "在過去 30 天內完成訂單（Order Completed）至少 2 次，且商品分類為「heels」的會員。",
        "Members who completed an order (Order Completed) where category is “heels” at least 2 times in the last 30 days.",
    ),
    (
        "did: {event: Order Completed, sum: {of: revenue, at_least: 3000}, within: 90d}",
        "在過去 90 天內完成訂單（Order Completed），金額合計至少 3,000 的會員。",
        "Members who completed an order (Order Completed) in the last 90 days with total revenue of at least 3,000.",
    ),
    (
        "not: {did: {event: Product Viewed, where: {category: flats}, within: 90d}}",
        "在過去 90 天內沒有瀏覽商品（Product Viewed，限商品分類為「flats」）的會員。",
        "Members who did not view a product (Product Viewed) where category is “flats” in the last 90 days.",
    ),
    (
        "did: {event: Order Completed, count: 0, within: this_month}",
        "在本月沒有完成訂單（Order Completed）的會員。",
        "Members who did not complete an order (Order Completed) this month.",
    ),
    (
        "did: {event: Lunch Eaten, distinct: {of: local_day, at_least: 3}, within: rolling 3 months}",
        "在最近 3 個月（含本月）發生「Lunch Eaten」事件，不同天數至少 3 的會員。",
        "Members who did “Lunch Eaten” in the last 3 months (the present one included) with at least 3 different days.",
    ),
    (
        'did: {event: Order Completed, item: {brand: Acme}, where: {price: {at_least: 100}}, from: 2026-01-01, until: 2026-01-31}',
        '在 2026-01-01 到 2026-01-31 之間曾完成訂單（Order Completed），且單價至少 100、商品的「brand」為「Acme」的會員。',
        "Members who completed an order (Order Completed) where price is at least 100 and the item's “brand” is “Acme” from 2026-01-01 until 2026-01-31.",
    ),
    (
        "did: {event: Order Completed, first: this_year, last: {before: 2026-06-01}}",
        "第一次完成訂單（Order Completed）在今年，最近一次完成訂單（Order Completed）在 2026-06-01 以前（不含）的會員。",
        "Members who first completed an order (Order Completed) this year and who last completed an order (Order Completed) before 2026-06-01.",
    ),
    (
        "sequence: {of: [Product Viewed, Product Added, {not: Order Completed}], within: 2h, by: cart_id}",
        "在 2 小時內先瀏覽商品（Product Viewed），接著將商品加入購物車（Product Added），之後沒有完成訂單（Order Completed），且「cart_id」相同的會員。",
        "Members who within 2 hours viewed a product (Product Viewed), then added a product to the cart (Product Added), then did not complete an order (Order Completed), all with the same “cart_id”.",
    ),
    (
        "sequence: {of: [Box Opened, {not: Box Asked}, {event: Box Bought, where: {size: [S, M]}}], within: 1d, started: last_month}",
        "在 1 天內先發生「Box Opened」事件，其間沒有發生「Box Asked」事件，接著發生「Box Bought」事件（限「size」為「S」或「M」），且第一步發生在上個月的會員。",
        "Members who within 1 day did “Box Opened”, then did not do “Box Asked”, then did “Box Bought” where “size” is “S” or “M”, the first step last month.",
    ),
    (
        "received: {count: {at_most: 1}, within: 30d}",
        "在過去 30 天內收到訊息最多 1 次的會員。",
        "Members who received a message at most 1 time in the last 30 days.",
    ),
    (
        "not: {clicked: {campaign: spring, channel: line-main}}",
        "沒有點擊訊息（限活動「spring」、管道「line-main」）的會員。",
        "Members who did not click in a message (campaign “spring”, channel “line-main”).",
    ),
    (
        "opened: true",
        "曾開啟訊息的會員。",
        "Members who opened a message.",
    ),
    (
        "member_of: loyal-readers",
        "屬於分眾「loyal-readers」的會員。",
        "Members who are in the audience “loyal-readers”.",
    ),
    (
        "percentile: {top: 10, of: {did: {event: Order Completed, sum: revenue, within: 90d}}}",
        "依過去 90 天內完成訂單（Order Completed）的金額合計排名，位於前 10% 的會員。",
        "Members who are in the top 10% by total revenue among those who completed an order (Order Completed) in the last 90 days.",
    ),
    (
        "percentile: {bottom: 2.5, of: {did: Order Completed}}",
        "依完成訂單（Order Completed）的次數排名，位於後 2.5% 的會員。",
        "Members who are in the bottom 2.5% by how often they completed an order (Order Completed).",
    ),
    (
        "bucket: {salt: test, from: 0, until: 10}",
        "在隨機分組「test」的 0% 到 10% 之間的會員。",
        "Members who are between 0% and 10% of the random bucket “test”.",
    ),
    (
        "all: [{tag: vip}, {did: Order Completed}, {any: [{identity: line}, {identity: email}]}]",
        "同時符合下列條件的會員：有標籤「vip」；曾完成訂單（Order Completed）；（有 LINE 識別；或有電子郵件識別）。",
        "Members who have the tag “vip”; who completed an order (Order Completed); and (who have an identity of the kind LINE; or who have an identity of the kind e-mail).",
    ),
    (
        "any: [{tag: vip}, {member_of: loyal-readers}]",
        "符合下列任一條件的會員：有標籤「vip」；屬於分眾「loyal-readers」。",
        "Members who have the tag “vip”; or who are in the audience “loyal-readers”.",
    ),
    (
        "not: {any: [{tag: vip}, {tag: staff}]}",
        "並未符合（有標籤「vip」；或有標籤「staff」）的會員。",
        "Members for whom none of this holds: (who have the tag “vip”; or who have the tag “staff”).",
    ),
    (
        "not: {all: [{tag: vip}, {not: {tag: staff}}]}",
        "並非同時符合（有標籤「vip」；且沒有標籤「staff」）的會員。",
        "Members for whom not all of this holds: (who have the tag “vip”; and who do not have the tag “staff”).",
    ),
    (
        "all: []",
        "所有會員。",
        "All members.",
    ),
    (
        "any: []",
        "沒有任何會員。",
        "No members.",
    ),
]
# fmt: on


@pytest.mark.parametrize(("text", "chinese", "english"), GOLDEN)
def test_sentences(text: str, chinese: str, english: str) -> None:
    tree = parse_yaml(text)
    assert explain(tree, "zh-TW") == chinese
    assert explain(tree, "en") == english


@given(TREES)
@settings(max_examples=few(60), deadline=None)
def test_every_tree_has_both_sentences(tree: Node) -> None:
    for node in (tree, *list_leaves(tree)):
        chinese, english = explain(node, "zh-TW"), explain(node, "en")
        assert chinese.endswith("。") and english.startswith(("Members ", "All ", "No ")) and english.endswith(".")
    for leaf in list_leaves(tree):
        assert explain_leaf(leaf, "zh-TW") == explain(leaf, "zh-TW")


def test_what_is_quoted_is_left_as_it_is() -> None:
    assert explain(parse_yaml("tag: 買3送1"), "zh-TW") == "有標籤「買3送1」的會員。"

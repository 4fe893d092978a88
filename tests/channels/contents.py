"""Contents for every adapter: what each kind of block can hold, small and large."""

from regulars.messaging.ports import Button, Buttons, Card, Cards, Content, Image, Text, Voucher

OPEN = Button("看看", url="https://example.com/heels")
PRESS = Button("要", data="yes")
SAY = Button("之後")
HELLO = Content((Text("您好，新品到了 👠"),))
KINDS = {
    "text": HELLO,
    "image": Content((Image("https://example.com/1.png"),)),
    "pressed image": Content((Image("https://example.com/1.png", alt="鞋", link="https://example.com"),)),
    "previewed image": Content((Image("https://example.com/1.png", preview_url="https://example.com/p.png"),)),
    "buttons": Content((Buttons("選一個", (OPEN, PRESS, SAY)),)),
    "long buttons": Content(
        (Buttons("長" * 200, (Button("這個按鈕的文字超過二十個字所以放不進模板裡", url="https://a.example"),)),)
    ),
    "many buttons": Content((Buttons("選", tuple(Button(f"第{number}個", data=str(number)) for number in range(9))),)),
    "cards": Content(
        (
            Cards(
                (
                    Card("靴子", "暖", "https://example.com/b.png", (OPEN, PRESS)),
                    Card("跟鞋", image_url="https://example.com/h.png", buttons=(PRESS,)),
                    Card("拖鞋"),
                )
            ),
        ),
        subject="三雙鞋",
    ),
    "pictures": Content(
        (Cards(tuple(Card(f"第{number}雙", "好", f"https://example.com/{number}.png") for number in range(3))),)
    ),
    "voucher": Content((Voucher("九折", "ABC-123", "2026-12-31", OPEN),)),
    "bare voucher": Content((Voucher("九折", "ABC-123"),)),
    "all": Content(
        (
            Image("https://example.com/1.png"),
            Text("看 https://example.com/a?b=1&c=2 <b>"),
            Buttons("選", (OPEN,)),
            Voucher("九折", "ABC-123"),
        ),
        subject="新品 & 折扣",
        quick_replies=(OPEN, PRESS, SAY),
    ),
}

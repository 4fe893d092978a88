"""Which column becomes which field."""

import io

import pytest
from rich.console import Console

from regulars.platform.tabular.errors import BadMapping, MissingColumn
from regulars.platform.tabular.mapping import FieldSpec, ImportSpec, guess_mapping, render_mapping

SPEC = ImportSpec(
    (
        FieldSpec("user_id", aliases=("customer id", "會員編號", "email")),
        FieldSpec("anonymous_id"),
        FieldSpec("email", aliases=("mail", "電子郵件")),
        FieldSpec("time", "instant", ("order date", "InvoiceDate", "訂單日期"), required=True),
        FieldSpec("quantity", "decimal", ("qty",)),
        FieldSpec("message_id"),
    ),
    one_of=(("user_id", "anonymous_id"),),
    key_field="message_id",
)


def goals(columns: list[str], *overrides: str) -> dict[str, str | None]:
    mapping = guess_mapping(columns, SPEC, overrides)
    return {
        column: target.field.name if target.field else f"property {target.property}" if target.property else None
        for column, target in mapping.targets.items()
    }


@pytest.mark.parametrize(
    "name", ["order_date", "Order Date", "orderDate", "ORDER-DATE", "訂單日期", "Ｏrder date", "invoice_date"]
)
def test_names_are_compared_without_case_blanks_and_signs(name: str) -> None:
    assert goals(["userId", name]) == {"userId": "user_id", name: "time"}


def test_other_columns_are_properties_and_notes_are_ignored() -> None:
    assert goals(["_row", "_field", "_reason", "會員編號", "time", "Country of 居住"]) == {
        "_row": None,
        "_field": None,
        "_reason": None,
        "會員編號": "user_id",
        "time": "time",
        "Country of 居住": "property Country of 居住",
    }


def test_a_name_of_its_own_goes_before_an_alias() -> None:
    assert goals(["email", "Customer ID", "time"])["email"] == "email"
    assert goals(["user_id", "customer_id", "time"])["customer_id"] == "property customer_id"


def test_two_aliases_for_one_field_must_be_decided() -> None:
    with pytest.raises(
        BadMapping, match=r"'Order Date' and 'InvoiceDate' could both be 'time'.*--map 'Order Date=time'"
    ):
        goals(["user_id", "Order Date", "InvoiceDate"])
    assert goals(["user_id", "Order Date", "InvoiceDate"], "InvoiceDate=time")["Order Date"] == "property Order Date"


def test_overrides() -> None:
    found = goals(["a=b", "when", "drop me", "too", "user_id"], "a=b=email", "when=time", "drop me=", "too=-")
    assert found == {"a=b": "email", "when": "time", "drop me": None, "too": None, "user_id": "user_id"}
    assert goals(["User ID", "time", "x"], "x=colour")["x"] == "property colour"
    assert goals(["User ID", "t"], "T=time")["t"] == "time"


@pytest.mark.parametrize(
    ("override", "message", "suggestion"),
    [
        ("quantty=quantity", "no column 'quantty'. Did you mean 'Quantity'", "Quantity"),
        ("Quantity=quantty", "no field 'quantty'; did you mean 'quantity'", "Quantity=quantity"),
        ("Quantity", "COLUMN=FIELD", None),
    ],
)
def test_bad_overrides_are_answered_with_what_was_meant(override: str, message: str, suggestion: str | None) -> None:
    with pytest.raises(BadMapping, match=message) as caught:
        goals(["user_id", "time", "Quantity"], override)
    assert caught.value.suggestion == suggestion


def test_two_columns_for_one_field_are_refused() -> None:
    with pytest.raises(BadMapping, match="'user_id' two columns: 'a' and 'b'"):
        goals(["a", "b", "time"], "a=user_id", "b=user_id")
    with pytest.raises(BadMapping, match="would both be the property 'b'"):
        goals(["a", "b", "time", "user_id"], "a=b")


def test_missing_column_names_the_field_and_what_to_type() -> None:
    with pytest.raises(
        MissingColumn, match=r"No column is 'time'. Columns: user_id, My Order Date. .*--map 'My Order Date=time'"
    ):
        goals(["user_id", "My Order Date"])
    with pytest.raises(MissingColumn, match="No column is 'user_id' or 'anonymous_id'"):
        goals(["time", "Quantity"])
    with pytest.raises(MissingColumn, match="'time'"):
        goals(["time", "user_id"], "time=")


def test_mapping_is_shown() -> None:
    console = Console(file=io.StringIO(), width=100)
    render_mapping(guess_mapping(["Customer ID", "time", "[bold]x"], SPEC), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "property [bold]x" in text and "guessed" in text

"""The books as journals that other programs read: hledger's and Beancount's.

Both keep what was posted, transfer by transfer, with amounts in the asset's unit; what either cannot spell in a name (a slash,
a space) is written as `-x2F`, and Beancount's first letters are large.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TextIO

_PLAIN: Final = re.compile(r"[^A-Za-z0-9-]")
_ROOTS: Final = {"member": "Liabilities", "budget": "Liabilities", "payable": "Liabilities", "receivable": "Assets"}


@dataclass(frozen=True, slots=True)
class Posted:
    """A transfer with its lines: account and amount in the asset's unit."""

    id: str
    kind: str
    at: datetime
    lines: Sequence[tuple[str, Decimal]]


class HledgerJournal:
    """A journal for `hledger -f`."""

    def __init__(self, to: TextIO) -> None:
        self.to = to

    def write(self, transfers: Iterable[Posted]) -> None:
        """Go on with these."""
        for one in transfers:
            self.to.write(f"{one.at:%Y-%m-%d} ({one.id}) {_words(one.kind)}\n")
            for account, amount in one.lines:
                holder, asset = _split(account)
                self.to.write(f'    {":".join(holder)}  {amount:f} "{asset}"\n')
            self.to.write("\n")


class BeancountJournal:
    """A ledger for `bean-check`. Accounts are opened where they come first, for all days: later lines may be of earlier ones."""

    def __init__(self, to: TextIO) -> None:
        self.to = to
        self.opened: set[str] = set()

    def write(self, transfers: Iterable[Posted]) -> None:
        """Go on with these."""
        for one in transfers:
            lines = [
                (_name_for_beancount(account), amount, _split(account)[1].upper()) for account, amount in one.lines
            ]
            for account in dict.fromkeys(account for account, _, _ in lines if account not in self.opened):
                self.opened.add(account)
                self.to.write(f"0001-01-01 open {account}\n")
            said = _words(one.kind).replace("\\", " ").replace('"', "'")
            self.to.write(f'{one.at:%Y-%m-%d} * "{said}"\n  transfer: "{one.id}"\n')
            self.to.writelines(f"  {account}  {amount:f} {asset}\n" for account, amount, asset in lines)
            self.to.write("\n")


JOURNALS: Final = {"hledger": HledgerJournal, "beancount": BeancountJournal}


def _name_for_beancount(account: str) -> str:
    holder, asset = _split(account)
    parts = [part[:1].upper() + part[1:] for part in (*holder, asset)]
    parts = [part if part[:1].isalnum() else f"X{part}" for part in parts]
    return ":".join([_ROOTS.get(holder[0], "Equity"), *(_spelled(part) for part in parts)])


def _split(account: str) -> tuple[list[str], str]:
    """The parts of the holder, and the asset."""
    holder, _, asset = account.rpartition("/")
    return [_spelled(part) for part in holder.split(":", 1)], asset


def _spelled(part: str) -> str:
    return _PLAIN.sub(lambda found: "".join(f"-x{byte:02X}" for byte in found[0].encode()), part)


def _words(text: str) -> str:
    return " ".join(text.replace(";", ",").replace("|", ",").split())

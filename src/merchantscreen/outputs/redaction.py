"""A bundle as it may leave: what a role does not pass on is withheld, and what was withheld is said.

Rules kept here:
* a bundle never holds more of a contact than a keyed token: e-mail, phone and postal address are
  tokens for every role;
* short of a lead, the domain of a contact e-mail is withheld too, unless it is the flagged domain itself, and with it
  the link is still told;
* in a file for one acquirer, accounts at others are withheld by all but a lead: they become `other-1`, `other-2`, the
  same name wherever the same account stands, so that every sum can still be followed;
* nothing is dropped: a withheld value stays a row, and the number of them is told.

Source: rows 17 and 18 of the threat model.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import polars as pl

from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.text import counted

WITHHELD: Final = "(withheld)"
_EVERYWHERE: Final = "contact e-mail, phone and postal address: keyed tokens only, as in the run"
_EMAIL_KIND: Final = "email_domain"
_SUBJECTS: Final = {
    "ranking": "account_id", "ledger": "subject", "contributions": "account_id", "links": "account_id",
    "rules": "account_id", "facts": "account_id", "shadow": "account_id",
}  # fmt: skip
"""The column of each part that names an account."""


class Sight(StrEnum):
    """How much of a run an export may show."""

    WHOLE = "whole"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Seen:
    """A bundle cut down to what may be shown.

    Attributes:
        bundle: The same bundle, values withheld where they have to be.
        withheld: What is redacted, a sentence each; never empty.
    """

    bundle: Bundle
    withheld: tuple[str, ...]


def seen_with(bundle: Bundle, sight: Sight, *, for_account: str | None = None) -> Seen:
    """Cut a bundle down to what may be shown.

    Args:
        bundle: The run.
        sight: How much may be shown.
        for_account: Account whose acquirer receives the file; None where no acquirer does.
    """
    if sight is Sight.WHOLE:
        return Seen(bundle, (_EVERYWHERE,))
    shown, domains = _without_email_domains(bundle)
    said = [_EVERYWHERE]
    if domains:
        said.append(f"{counted(domains, 'domain')} of contact e-mails that are no flagged domain: {WITHHELD}")
    if for_account is not None:
        shown, others = _without_other_acquirers(shown, for_account)
        if others:
            said.append("accounts at other acquirers: numbered other-1 and so on, in no order that tells anything")
    return Seen(shown, tuple(said))


def acquirer_of(account_id: str) -> str:
    """Return the acquirer's part of an account id, which may follow the network and a colon."""
    return account_id.partition("/")[0].rpartition(":")[2]


def _without_email_domains(bundle: Bundle) -> tuple[Bundle, int]:
    is_other = (pl.col("kind") == _EMAIL_KIND) & pl.col("seen_as").is_not_null()
    in_links = is_other & (pl.col("seen_as") != pl.col("domain"))
    in_ledger = is_other & (pl.col("seen_as") != pl.col("counterpart"))
    found = pl.concat(
        [bundle.links.filter(in_links).select("seen_as"), bundle.ledger.filter(in_ledger).select("seen_as")]
    )
    shown = replace(
        bundle, links=_with_withheld(bundle.links, in_links), ledger=_with_withheld(bundle.ledger, in_ledger)
    )
    return shown, found["seen_as"].n_unique()


def _with_withheld(frame: pl.DataFrame, rows: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(seen_as=pl.when(rows).then(pl.lit(WITHHELD)).otherwise("seen_as"))


def _without_other_acquirers(bundle: Bundle, account_id: str) -> tuple[Bundle, int]:
    """Number the accounts at other acquirers, in the order of their digests."""
    own = acquirer_of(account_id)
    named = {*bundle.ranking["account_id"], *bundle.contributions["account_id"], *bundle.links["account_id"]}
    others = sorted((name for name in named if acquirer_of(name) != own), key=_digest)
    new_names = {name: f"other-{number}" for number, name in enumerate(others, start=1)}
    frames = {part: _renamed(getattr(bundle, part), column, new_names) for part, column in _SUBJECTS.items()}
    contributors = pl.col("contributors").list.eval(pl.element().replace(new_names))
    shown = replace(
        bundle,
        ranking=frames["ranking"],
        ledger=frames["ledger"].with_columns(contributors),
        contributions=frames["contributions"],
        links=frames["links"],
        rules=frames["rules"],
        facts=frames["facts"],
        shadow=frames["shadow"],
    )
    return shown, len(new_names)


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _renamed(frame: pl.DataFrame, column: str, names: dict[str, str]) -> pl.DataFrame:
    if column == "subject":
        is_account = pl.col("round") > 0  # round 0 is about domains
        return frame.with_columns(
            subject=pl.when(is_account).then(pl.col("subject").replace(names)).otherwise("subject")
        )
    return frame.with_columns(pl.col(column).replace(names))

"""The one table of everything that can tie an account to a domain or to another account.

One row per kind: what it is, where it is read, how far it singles out one
business, who could bring it about, and the innocent reason why it may be
shared. Weights are not here: they live in rules/evidence.yml, under the same
names, so that auditors read every number in one folder.

Rules kept here:
* a kind belongs to exactly one family; families add up differently;
* values compare by equality after normalisation, never by likeness;
* `set_by` says who could forge the tie against an innocent account, and rules/tiers.yml
  uses it: what anyone can set never suffices for the first tier.

Source: classes and forgeability after DESIGN 3 and rows 26 and 27 of the threat model;
link kinds after VMSS webAddresses, EMV 3DS, ISO 20022 CAIN, ISO 8583 DE 43 and the
payment details hotlines already send to payment companies.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from merchantscreen.contacts import STEPS, without_contacts
from merchantscreen.vocabulary import EvidenceFamily, SetBy, Specificity

Source = Literal["merchants", "transactions", "referrals"]


@dataclass(frozen=True, slots=True)
class IdentifierKind:
    """One row of the table.

    Attributes:
        name: Key, as used in rules/evidence.yml, ledger rows and links.
        title: What a person reads.
        family: Link (account to domain) or identifier (account to account).
        specificity: How far it singles out one business; None for links.
        set_by: Who can bring the value about.
        source: Which input carries it.
        column: Column of the staged table or kind of the declared identifiers.
        innocent: The innocent explanation a reviewer must rule out first.
    """

    name: str
    title: str
    family: EvidenceFamily
    specificity: Specificity | None
    set_by: SetBy
    source: Source
    column: str
    innocent: str


def _link(name: str, title: str, set_by: SetBy, source: Source, column: str, innocent: str) -> IdentifierKind:
    return IdentifierKind(name, title, EvidenceFamily.LINK, None, set_by, source, column, innocent)


def _shared(
    name: str, title: str, specificity: Specificity, set_by: SetBy, source: Source, column: str, innocent: str
) -> IdentifierKind:
    return IdentifierKind(name, title, EvidenceFamily.IDENTIFIER, specificity, set_by, source, column, innocent)


_HARD, _MEDIUM, _SOFT = Specificity.HARD, Specificity.MEDIUM, Specificity.SOFT

KINDS: Final[tuple[IdentifierKind, ...]] = (
    # --- account to domain -------------------------------------------------------------------
    _link("clue_merchant_id", "merchant id seen by the hotline", SetBy.HOTLINE, "referrals", "card_acceptor_id",
          "The page may have been copied with another shop's merchant id in it."),
    _link("declared_website", "declared website", SetBy.ACCOUNT_HOLDER, "merchants", "website",
          "The domain may have changed hands, or belong to a tenant of a shared host."),
    _link("observed_requestor_url", "website seen in 3-D Secure messages", SetBy.NETWORK, "transactions",
          "requestor_host", "The requestor may be a payment page that serves many shops."),
    _link("observed_acceptor_url", "website seen in payment messages", SetBy.NETWORK, "transactions",
          "acceptor_host", "The acceptor URL may be that of a payment page that serves many shops."),
    _link("descriptor_domain", "domain in the descriptor", SetBy.ACCOUNT_HOLDER, "transactions", "descriptor",
          "Descriptors are cut short; the rest of the name may differ."),
    _link("email_domain", "domain of the contact e-mail", SetBy.ACCOUNT_HOLDER, "merchants", "email_domain",
          "The mail domain may belong to an agency that looks after many shops."),
    _link("clue_descriptor", "descriptor seen by the hotline", SetBy.ANYONE, "referrals", "descriptor",
          "Anyone can choose a descriptor that resembles another shop's."),
    _link("clue_amount", "price seen by the hotline near that time", SetBy.ANYONE, "referrals", "amount_minor",
          "Prices coincide by chance; alone this says nothing."),
    # --- domain to domain --------------------------------------------------------------------
    _link("moved_to", "domain the site moved to", SetBy.HOTLINE, "referrals", "to_domain",
          "The new domain may have been re-used by somebody else since."),
    _link("redirect", "domain a referred site redirects to", SetBy.HOTLINE, "referrals", "to_domain",
          "Redirects can point at a shop that knows nothing of them."),
    _link("shared_payment_page", "domain with the same payment page", SetBy.HOTLINE, "referrals", "to_domain",
          "A payment page may serve many unrelated shops."),
    # --- account to account ------------------------------------------------------------------
    _shared("settlement_account", "settlement account", _HARD, SetBy.ACQUIRER, "merchants", "settlement_account",
            "One owner may run several honest brands into one account; a facilitator may settle for many."),
    _shared("tax_id", "tax id", _HARD, SetBy.ACQUIRER, "merchants", "tax_id",
            "One company may run several honest brands."),
    _shared("principal", "owner or director", _HARD, SetBy.ACQUIRER, "merchants", "principal",
            "A formation agent or nominee director may stand behind many firms."),
    _shared("email", "contact e-mail", _MEDIUM, SetBy.ANYONE, "merchants", "email",
            "A web agency or book-keeper may be the contact of many shops."),
    _shared("phone", "contact phone", _MEDIUM, SetBy.ANYONE, "merchants", "phone",
            "A web agency or call centre may answer for many shops."),
    _shared("website", "website", _MEDIUM, SetBy.ANYONE, "merchants", "website",
            "A marketplace or franchise page may be declared by many sellers."),
    _shared("device", "merchant-side device", _MEDIUM, SetBy.NETWORK, "transactions", "device_token",
            "A reseller may configure shops for many clients from one device."),
    _shared("terminal", "terminal", _MEDIUM, SetBy.NETWORK, "transactions", "terminal",
            "Virtual terminals are shared by all clients of some gateways."),
    _shared("address", "postal address", _SOFT, SetBy.ANYONE, "merchants", "address",
            "Office centres and registered-address services house many firms."),
    _shared("ip", "merchant-side network address", _SOFT, SetBy.NETWORK, "transactions", "ip_token",
            "Hosting and content networks put many shops behind one address."),
    _shared("descriptor", "descriptor", _SOFT, SetBy.ANYONE, "transactions", "descriptor",
            "Facilitators put one descriptor on many shops; names coincide."),
    _shared("agent", "agent or sales organisation", _SOFT, SetBy.ACQUIRER, "merchants", "agent",
            "Agents sign up hundreds of unrelated shops."),
    _shared("payment_facilitator", "payment facilitator", _SOFT, SetBy.ACQUIRER, "merchants",
            "payment_facilitator", "Facilitators serve thousands of unrelated shops."),
)  # fmt: skip

BY_NAME: Final[dict[str, IdentifierKind]] = {kind.name: kind for kind in KINDS}
DOMAIN_LINK_KINDS: Final[frozenset[str]] = frozenset({"moved_to", "redirect", "shared_payment_page"})
KEYED_KINDS: Final[frozenset[str]] = frozenset({"email", "phone", "address"})
"""Identifiers that become tokens under the key of the run; all others keep their value from run to run."""


def identifier_kinds(source: Source) -> tuple[IdentifierKind, ...]:
    """Return the shared-identifier rows that one input carries."""
    return tuple(kind for kind in KINDS if kind.family is EvidenceFamily.IDENTIFIER and kind.source == source)


def kinds_of(specificity: Specificity) -> tuple[str, ...]:
    """Return the names of the identifiers of one specificity."""
    return tuple(kind.name for kind in KINDS if kind.specificity is specificity)


# --------------------------------------------------------------------------- the account key


KEY_COLUMNS: Final = ("network", "acquirer_id", "card_acceptor_id", "payment_facilitator_id", "sub_merchant_id")
"""Together the identity of an account. Source: ISO 8583 DE 32 and DE 42; VMSS; TC33 for sub-merchants."""

_ESCAPES: Final = (("%", "%25"), ("/", "%2F"), (":", "%3A"))


def account_id(
    acquirer_id: str,
    card_acceptor_id: str,
    *,
    network: str | None = None,
    payment_facilitator_id: str | None = None,
    sub_merchant_id: str | None = None,
) -> str:
    """Write an account's key as one text: ``[network:]acquirer/acceptor[/facilitator[/sub]]``.

    Injective: ``%``, ``/`` and ``:`` inside a part are percent-escaped.
    """
    parts = [acquirer_id, card_acceptor_id, payment_facilitator_id or "", sub_merchant_id or ""]
    prefix = f"{_escape(network)}:" if network else ""
    return prefix + "/".join(_escape(part) for part in parts).rstrip("/")


ESCAPED: Final = "".join(plain for plain, _ in _ESCAPES)
"""Characters that a key writes otherwise; columns without any of them need no work."""


def account_id_expression(present: Iterable[str], plain: Iterable[str] = ()) -> pl.Expr:
    """Build `account_id` as an expression over those key columns that a frame has.

    Args:
        present: Key columns that the frame has.
        plain: Those of them that hold none of the `ESCAPED` characters anywhere.
    """
    have, bare = set(present), set(plain)
    parts = [_escaped_column(name, is_plain=name in bare) if name in have else pl.lit("") for name in KEY_COLUMNS[1:]]
    joined = pl.concat_str(parts, separator="/").str.strip_chars_end("/")
    if "network" not in have:
        return joined
    network = _escaped_column("network", is_plain="network" in bare) + ":"
    return pl.when(pl.col("network").is_null()).then(pl.lit("")).otherwise(network) + joined


def _escape(part: str) -> str:
    for plain, escaped in _ESCAPES:
        part = part.replace(plain, escaped)
    return part


def _escaped_column(name: str, *, is_plain: bool) -> pl.Expr:
    column = pl.col(name).fill_null("")
    for plain, escaped in () if is_plain else _ESCAPES:
        column = column.str.replace_all(plain, escaped, literal=True)
    return column


# --------------------------------------------------------------------------- normalisers


_LONG_NUMBER: Final = r"[0-9]{6,}"
_BLANKS: Final = r"[ \t]+"
_BETWEEN_WORDS: Final = "[^a-z0-9_ ][^a-z0-9_]*| [^a-z0-9_]+"
"""What stands between two words, unless it is a single blank, which stays as it is."""
_ASCII_SPACE: Final = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
"""What Python's `strip` takes off plain ASCII; Polars would leave the last four."""


def normalise_descriptor(text: str) -> str:
    """Fold a descriptor (DE 43): capitals, single blanks, contact data and order numbers taken out."""
    folded = without_contacts(unicodedata.normalize("NFKC", text)).upper()
    return re.sub(_BLANKS, " ", re.sub(_LONG_NUMBER, "", folded)).strip(" \t")


def descriptor_expression(column: pl.Expr) -> pl.Expr:
    """Do `normalise_descriptor` for a whole column of plain ASCII; a test holds the two together."""
    folded = without_contacts_expression(column).str.to_uppercase()
    return folded.str.replace_all(_LONG_NUMBER, "").str.replace_all(_BLANKS, " ").str.strip_chars(" \t")


def without_contacts_expression(column: pl.Expr) -> pl.Expr:
    """Do `without_contacts` for a whole column; a test holds the two together."""
    for pattern, kept in STEPS:
        column = column.str.replace_all(pattern, f"${{{kept}}}" if kept else "")
    return column


def normalise_email(text: str) -> str:
    """Fold an e-mail address for equality: trimmed, lower case."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def email_expression(column: pl.Expr) -> pl.Expr:
    """Do `normalise_email` for a whole column of plain ASCII; a test holds the two together."""
    return column.str.strip_chars(_ASCII_SPACE).str.to_lowercase()


def normalise_phone(text: str) -> str:
    """Keep the digits of a phone number, an international prefix written as `+`."""
    digits = "".join(str(unicodedata.digit(c)) for c in text if c.isdigit())
    return "+" + digits.removeprefix("00") if text.strip().startswith(("+", "00")) else digits


def phone_expression(column: pl.Expr) -> pl.Expr:
    """Do `normalise_phone` for a whole column of plain ASCII; a test holds the two together."""
    digits = column.str.replace_all("[^0-9]", "")
    is_international = column.str.strip_chars_start(_ASCII_SPACE).str.contains(r"^(?:\+|00)")
    return pl.when(is_international).then(pl.lit("+") + digits.str.strip_prefix("00")).otherwise(digits)


def normalise_address(text: str) -> str:
    """Fold a postal address: lower case, letters and digits only, single blanks."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return " ".join(re.sub(r"[^\w]+", " ", folded).split())


def address_expression(column: pl.Expr) -> pl.Expr:
    """Do `normalise_address` for a whole column of plain ASCII; a test holds the two together."""
    return column.str.to_lowercase().str.replace_all(_BETWEEN_WORDS, " ").str.strip_chars(" ")

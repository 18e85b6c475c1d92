"""Drafts of listings for MATCH and VMSS, for a person to complete; nothing is ever sent.

Rules kept here:
* every draft says DRAFT and "not sent", whatever is in it;
* only what the run holds is filled in, under the public field names; the rest is listed as missing with a reason;
* no reason code follows from evidence: it is there only if a person gives one of the known codes, and then
  the draft says that a person chose it;
* a link is no reason for a listing: both lists are about terminated accounts, and the draft says so.

Source: domain.md 1: public interface mocks of MATCH and a public copy of the VMSS interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import polars as pl

from merchantscreen.errors import UsageError
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import defanged
from merchantscreen.vocabulary import HostMatch

SCHEMA: Final = "merchantscreen-listing-draft/1"
STATUS: Final = "DRAFT, not sent, for a person to complete"
_NOT_HELD: Final = "not in the run; take it from the acquirer's own record"
_AFTER_DECISION: Final = "known only once a person has ended the agreement"
_MOST_ADDRESSES: Final = 3
"""Source: VMSS webAddresses."""
_SPONSORED: Final = 5
"""Source: VMSS category, sponsored merchant."""
_WEBSITE_KINDS: Final = frozenset({"declared_website", "observed_requestor_url", "observed_acceptor_url"})

Row = Mapping[str, Any]
Fill = Callable[[Row, Sequence[Row]], Any]


class ListingKind(StrEnum):
    """The two lists of terminated merchants."""

    MATCH = "match"
    VMSS = "vmss"


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a list: how it is filled from the run, or why it is not."""

    name: str
    fill: Fill | None = None
    missing: str = _NOT_HELD


def _column(name: str) -> Fill:
    return lambda account, _: account[name]


def _in_list(name: str) -> Fill:
    return lambda account, _: [account[name]] if account[name] is not None else None


def _sites(account: Row, links: Sequence[Row], matches: Iterable[str] | None = None) -> list[str] | None:
    """List the linked websites of the account, defanged; null where there is none."""
    del account
    wanted = None if matches is None else frozenset(matches)
    found = {
        defanged(link["seen_as"])
        for link in links
        if link["kind"] in _WEBSITE_KINDS and link["in_window"] and (wanted is None or link["match"] in wanted)
    }
    return sorted(found) or None


def _url_group(account: Row, links: Sequence[Row]) -> dict[str, list[str]] | None:
    exact = _sites(account, links, [HostMatch.EXACT])
    close = _sites(account, links, [HostMatch.CLOSE, HostMatch.LABEL])
    group = {name: hosts for name, hosts in (("ExactMatchUrls", exact), ("CloseMatchUrls", close)) if hosts}
    return group or None


def _addresses(account: Row, links: Sequence[Row]) -> list[str] | None:
    found = _sites(account, links)
    return found[:_MOST_ADDRESSES] if found else None


def _address(account: Row, _: Sequence[Row]) -> dict[str, str] | None:
    return {"Country": account["country"]} if account["country"] is not None else None


def _category(account: Row, _: Sequence[Row]) -> int | None:
    return _SPONSORED if account["sub_merchant_id"] is not None else None


def _by_internet(account: Row, links: Sequence[Row]) -> bool | None:
    return True if _sites(account, links) else None


_FIELDS: Final[Mapping[ListingKind, tuple[_Field, ...]]] = {
    ListingKind.MATCH: (
        _Field("Name"),
        _Field("DoingBusinessAsName", _column("dba_name")),
        _Field("Address", _address, "country not known; the other lines are not in the run"),
        _Field("PhoneNumber"),
        _Field("NationalTaxId"),
        _Field("Url", _sites, "no linked website; others are not in the run"),
        _Field("UrlGroup", _url_group, "no linked website"),
        _Field("Principal"),
        _Field("ServiceProvLegal"),
        _Field("ServiceProvDBA"),
        _Field("AddedByAcquirerID", _column("acquirer_id")),
        _Field("AddedOnDate", None, _AFTER_DECISION),
        _Field("MCC", _column("mcc")),
        _Field("MerchantId", _column("card_acceptor_id")),
        _Field("is_transaction_laundering", None, "a person's finding, never ours"),
        _Field("AgreementStartDate"),
        _Field("AgreementEndDate", None, _AFTER_DECISION),
        _Field("Comment", None, "for a person to write"),
    ),
    ListingKind.VMSS: (
        _Field("DBAName", _column("dba_name")),
        _Field("legalName"),
        _Field("webAddresses", _addresses, "no linked website; others are not in the run"),
        _Field("tradeOverInternet", _by_internet, "no website seen in this run"),
        _Field("cardAcceptorIDs", _in_list("card_acceptor_id")),
        _Field("acquirerAssignedMerchantID"),
        _Field("acquirerBID", _column("acquirer_id")),
        _Field("paymentFacilitatorBID", _column("payment_facilitator_id"), "no facilitator in the account's key"),
        _Field("merchantCategoryCodes", _in_list("mcc")),
        _Field("taxID"),
        _Field("businessRegistrationNumber"),
        _Field("financialAccts"),
        _Field("businessPhoneNumbers"),
        _Field("businessEmailAddress"),
        _Field("principals"),
        _Field("contractStartDate"),
        _Field("contractEndDate", None, _AFTER_DECISION),
        _Field("secondaryListingReason", None, "for a person to choose"),
        _Field("category", _category, "for a person to choose; only sponsored merchants can be told"),
    ),
}
_REASON_FIELDS: Final = {ListingKind.MATCH: "TerminationReasonCode", ListingKind.VMSS: "primaryListingReason"}


def listing_draft(
    bundle: Bundle, account_id: str, kind: ListingKind, known_codes: Iterable[str], reason_code: str | None = None, *,
    chosen_by: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Draft a listing of an account.

    Args:
        bundle: The run.
        account_id: An account of its ranking.
        kind: Which list.
        known_codes: Codes of listing_codes.yml, such as `MATCH-03`.
        reason_code: The code a person chose, with or without the name of the list before it.
        chosen_by: Who chose it, where that is known.

    Returns:
        JSON values: `status`, `fields` by public name, `missing` with the reason per field, and what it rests on.

    Raises:
        UsageError: The code is not one of the list's known codes.
    """
    account = bundle.ranking.row(by_predicate=pl.col("account_id") == account_id, named=True)
    links = bundle.links.filter(pl.col("account_id") == account_id).to_dicts()
    filled = {one.name: one.fill(account, links) if one.fill else None for one in _FIELDS[kind]}
    missing = {one.name: one.missing for one in _FIELDS[kind] if filled[one.name] is None}
    fields = {name: value for name, value in filled.items() if value is not None}
    reason = _REASON_FIELDS[kind]
    if reason_code is None:
        missing[reason] = "for a person to choose; no code follows from the evidence"
    else:
        fields[reason] = _known(kind, reason_code, known_codes)
    manifest = bundle.manifest
    return {
        "schema": SCHEMA,
        "status": STATUS,
        "list": kind.value,
        "meaning": DISCLAIMER,
        "warnings": [line.plain for line in banner(manifest)],
        "before_use": "Both lists are for terminated accounts. A link is no reason to terminate or to list anybody.",
        "account_id": account_id,
        "fields": fields,
        "missing": missing,
        "reason_code_chosen_by_a_person": reason_code is not None,
        "reason_code_chosen_by": chosen_by if reason_code is not None else None,
        "websites": "defanged: [.] stands for a dot; hosts only",
        "run_id": manifest.run_id,
        "as_of": manifest.as_of,
        "run_manifest_sha256": manifest.sha256,
    }


def _known(kind: ListingKind, code: str, known_codes: Iterable[str]) -> str:
    """Return the bare code, if it is one of the list's."""
    prefix = f"{kind.value.upper()}-"
    known = sorted(name.removeprefix(prefix) for name in known_codes if name.startswith(prefix))
    wanted = code.upper().removeprefix(prefix)
    if wanted not in known:
        found, expected = "a reason code that is not in listing_codes.yml", f"one of {', '.join(known)}"
        problem = PROBLEMS["MS-RUN-001"].at("--reason-code", found=found, expected=expected)
        raise UsageError("unknown reason code", (problem,))
    return wanted

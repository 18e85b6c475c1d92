"""What a hotline is told about its referrals: counts per referral, and never whose accounts they are.

Rules kept here:
* a receipt names the hotline's own referral ids, and of merchants nothing but numbers: no
  account, name, country, category, tier or amount;
* small numbers are shown as they are. A 1 says that one account exists among millions; with
  nothing else beside it, it singles out nobody, and a hotline has to know a 0 from a 1;
* a referral no run has screened has null counts, not 0: not known is not "none";
* counts are those of the latest run, because adding up runs would count accounts twice;
* while a law-enforcement hold stands, all counts are withheld;
* one hotline's receipt holds nothing of another hotline's referrals.

Signing (DSSE, payload type below) and recording are left to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field

from merchantscreen.outputs.text import counted
from merchantscreen.referrals.events import REFERENCE_PATTERN
from merchantscreen.referrals.register import Referral
from merchantscreen.referrals.wire import written
from merchantscreen.vocabulary import Assurance, ReferralState, Tier

PAYLOAD_TYPE: Final = "application/vnd.merchantscreen.receipt.v1+json"
SCHEMA: Final = "merchantscreen-receipt/1"


class Caveat(StrEnum):
    """What limits the meaning of the counts of one referral."""

    NOT_COUNTING = "not_counting"
    NOT_SCREENED = "not_screened"
    NONE_FOUND = "none_found"
    EXPIRED = "expired"
    DISPUTED = "disputed"
    HELD = "held"


EXPLANATIONS: Final[Mapping[Caveat, str]] = {
    Caveat.NOT_COUNTING: "it does not count at the moment, see its state",
    Caveat.NOT_SCREENED: "no run has screened it yet, so nothing is known",
    Caveat.NONE_FOUND: "no account in the data screened is linked; this clears no site",
    Caveat.EXPIRED: "its validity is over; later activity was not counted",
    Caveat.DISPUTED: "a dispute stands",
    Caveat.HELD: "counts are withheld while the hold stands",
}


@dataclass(frozen=True, slots=True)
class ScreenedReferral:
    """One referral in one run, as `run.recorded` holds it: accounts linked, and their number per tier.

    `reviewed_count` is how many of them somebody has decided about, with nothing new since.
    """

    hotline: str
    referral_id: str
    account_count: int
    tiers: Mapping[str, int]
    reviewed_count: int = 0

    @property
    def under_review_count(self) -> int:
        """Accounts in a tier of which nothing is decided; those on watch are no cases."""
        cases = sum(count for tier, count in self.tiers.items() if tier != Tier.WATCH)
        return max(0, cases - self.reviewed_count)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a receipt needs of one run; `as_of` is UTC without zone."""

    run_id: str
    as_of: datetime
    referrals: tuple[ScreenedReferral, ...]


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What is known beside the register and the runs, per referral id of the hotline.

    Attributes:
        assurance: How well its origin is proven; `unsigned` where nothing is said.
        actions: Accounts for which a reviewer took action; None where no decisions are kept, which is not zero.
    """

    assurance: Mapping[str, Assurance] = field(default_factory=dict)
    actions: Mapping[str, int] | None = None


# --------------------------------------------------------------------------- the form


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_Id = Annotated[str, Field(pattern=REFERENCE_PATTERN)]
_Count = Annotated[int, Field(ge=0)]
_Time = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z$")]


class ReceiptLine(_Form):
    """One referral: its state, and counts where they are known and not withheld."""

    referral_id: _Id
    state: ReferralState
    assurance: Assurance
    run_count: _Count
    last_as_of: _Time | None
    accounts_linked: _Count | None
    under_review: _Count | None
    action_taken: _Count | None
    caveats: tuple[Caveat, ...]


class Receipt(_Form):
    """All referrals of one hotline at one moment, sorted by id."""

    schema_: Annotated[Literal["merchantscreen-receipt/1"], Field(alias="schema")] = SCHEMA
    network: _Id
    hotline: _Id
    issued_at: _Time
    as_of: _Time
    referrals: tuple[ReceiptLine, ...]

    def payload(self) -> bytes:
        """Return the canonical bytes that are signed (RFC 8785)."""
        return rfc8785.dumps(self.model_dump(mode="json", by_alias=True))


def receipt(
    hotline: str,
    referrals: Iterable[Referral],
    runs: Sequence[RunFacts],
    *,
    network: str,
    issued_at: datetime,
    as_of: datetime,
    facts: ReceiptFacts | None = None,
) -> Receipt:
    """Write the receipt of one hotline.

    Args:
        hotline: Whose receipt it is; referrals of others are passed over.
        referrals: The register as of `as_of`.
        runs: Runs that took place, in the order they were recorded.
        network: Id of who issues the receipt.
        issued_at: UTC without zone.
        as_of: Moment of the register; UTC without zone.
        facts: Assurance and actions.
    """
    known = facts or ReceiptFacts()
    own = sorted((found for found in referrals if found.hotline == hotline), key=lambda found: found.referral_id)
    seen = _seen(hotline, runs)
    lines = tuple(_line(found, seen.get(found.referral_id, []), known) for found in own)
    return Receipt(
        network=network, hotline=hotline, issued_at=written(issued_at), as_of=written(as_of), referrals=lines
    )


def _seen(hotline: str, runs: Sequence[RunFacts]) -> dict[str, list[tuple[datetime, ScreenedReferral]]]:
    """List for each referral of a hotline the runs it was in; the latest moment last, then the last recorded."""
    seen: dict[str, list[tuple[datetime, ScreenedReferral]]] = {}
    for run in sorted(runs, key=lambda run: run.as_of):
        for found in run.referrals:
            if found.hotline == hotline:
                seen.setdefault(found.referral_id, []).append((run.as_of, found))
    return seen


def _line(referral: Referral, seen: list[tuple[datetime, ScreenedReferral]], facts: ReceiptFacts) -> ReceiptLine:
    as_of, latest = seen[-1] if seen else (None, None)
    shown = None if referral.is_held else latest
    return ReceiptLine(
        referral_id=referral.referral_id,
        state=referral.state,
        assurance=facts.assurance.get(referral.referral_id, Assurance.UNSIGNED),
        run_count=len(seen),
        last_as_of=None if as_of is None else written(as_of),
        accounts_linked=None if shown is None else shown.account_count,
        under_review=None if shown is None else shown.under_review_count,
        action_taken=None if shown is None or facts.actions is None else facts.actions.get(referral.referral_id, 0),
        caveats=tuple(_caveats(referral, latest)),
    )


def _caveats(referral: Referral, latest: ScreenedReferral | None) -> Iterator[Caveat]:
    checks = (
        (not referral.counts, Caveat.NOT_COUNTING),
        (latest is None, Caveat.NOT_SCREENED),
        (latest is not None and latest.account_count == 0 and not referral.is_held, Caveat.NONE_FOUND),
        (referral.is_expired, Caveat.EXPIRED),
        (referral.is_disputed, Caveat.DISPUTED),
        (referral.is_held, Caveat.HELD),
    )
    return (caveat for holds, caveat in checks if holds)


# --------------------------------------------------------------------------- for people


def render(found: Receipt) -> str:
    """Write a receipt as plain text; every part of it is one of our words, an id or a number."""
    head = (
        f"Receipt of {found.network} for {found.hotline}",
        f"issued {found.issued_at}, register as of {found.as_of}, {counted(len(found.referrals), 'referral')}",
        "Accounts counted here are linked and for review; no count is a finding about anyone.",
    )
    return "\n".join([*head, *(line for one in found.referrals for line in _told(one))]) + "\n"


def _told(line: ReceiptLine) -> Iterator[str]:
    yield ""
    yield f"{line.referral_id}  {line.state.value}, {line.assurance.value}"
    when = f", last as of {line.last_as_of}" if line.last_as_of else ""
    yield f"  screened in {counted(line.run_count, 'run')}{when}"
    if line.accounts_linked is not None:
        linked = counted(line.accounts_linked, "account")
        action = "action not known" if line.action_taken is None else f"action taken on {line.action_taken}"
        yield f"  {linked} linked, {line.under_review} under review, {action}"
    for caveat in line.caveats:
        yield f"  note: {EXPLANATIONS[caveat]}"

"""Who plays in a simulated world: planted accounts, the referrals about them, and how a story casts them.

A story (typologies.py) asks the `Stage` for an account or a referral and says what is
special about it; everything left unsaid is as ordinary as the background population.
Shared identifiers are written as "that of account 12": a sister's `settlement_of` is the
number of her sister.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np

from merchantscreen.simulation import calendar, markets, names
from merchantscreen.simulation.draws import Draws
from merchantscreen.vocabulary import (
    Classification,
    Commerciality,
    Dedicated,
    MatchScope,
    PaymentMethod,
    ReferralEventKind,
    ReferralStatus,
    SiteType,
    Tlp,
)

Fields = Mapping[str, Any]

HOTLINES: Final = ("hotline-north", "hotline-harbour", "hotline-lakes", "hotline-south", "hotline-coast")
"""Invented hotlines that report into the world."""


class Label(StrEnum):
    """What an account truly is."""

    SELLER = "seller"
    INNOCENT = "innocent"
    BACKGROUND = "background"


class Expectation(StrEnum):
    """Where a screening must place an account, or must not."""

    FOUND = "T1-T3"
    NOT_FIRST = "not T1"
    NONE = "none"


EXPECTED: Final[Mapping[Label, Expectation]] = {
    Label.SELLER: Expectation.FOUND,
    Label.INNOCENT: Expectation.NOT_FIRST,
    Label.BACKGROUND: Expectation.NONE,
}


@dataclass(frozen=True, slots=True)
class Before:
    """How an account traded before it changed.

    Attributes:
        rows_percent: Share of its rows that belong to this time.
        from_day: First day of it.
        until_day: Day on which it ended.
        prices: Its only prices then; empty for many different ones.
        requestors: Websites its 3-D Secure messages named; None for its own shop.
        descriptor: What the cardholder read; None for its own name.
        mcc: Merchant category code in its messages; None for that of the account.
    """

    rows_percent: int
    from_day: int
    until_day: int
    prices: tuple[int, ...] = ()
    requestors: tuple[str, ...] | None = None
    descriptor: str | None = None
    mcc: str | None = None


@dataclass(frozen=True, slots=True)
class Trade:
    """How an account trades; the defaults are those of an ordinary shop.

    Attributes:
        prices: Its only prices in minor units; empty for many different ones.
        prepaid_percent: Share of purchases paid with prepaid cards.
        cross_border_percent: Share of purchases with cards from abroad.
        chargeback_percent: Share of rows that are chargebacks.
        refund_percent: Share of rows that are refunds.
        declined_percent: Share of purchases that the issuer declines.
        night_percent: Share of rows between half past midnight and half past three where the payer is.
        present_percent: Share of rows by chip at a terminal.
        even_percent: Share of purchases at multiples of ten units, where prices are many.
        bills_abroad: Whether payers from abroad pay in their own currency.
        from_day: First day with transactions.
        until_day: Day on which they stop.
        before: How it traded before all this; None if it never did otherwise.
    """

    prices: tuple[int, ...] = ()
    prepaid_percent: int = 4
    cross_border_percent: int = 8
    chargeback_percent: int = 0
    refund_percent: int = 1
    declined_percent: int = 4
    night_percent: int = 4
    present_percent: int = 0
    even_percent: int = 4
    bills_abroad: bool = False
    from_day: int = 0
    until_day: int = calendar.DAYS
    before: Before | None = None


ORDINARY: Final = Trade()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One planted account. What is None is its own and ordinary.

    Attributes:
        number: Its number in the population; names, hosts and tokens follow from it.
        label: What it truly is.
        typology: The story it belongs to.
        note: The story in a sentence, for truth files.
        referral_ids: Referrals that should lead to it, or must not.
        declared: Websites it declares; None for its own shop.
        requestors: Websites its 3-D Secure messages name; None for its own shop.
        acceptor: Website its payment messages name; None for its own shop.
        descriptor: What the cardholder reads; None for its own name.
        mail_host: Domain of its contact e-mail; None for its own shop's or a free one.
        settlement_of, tax_of, principal_of, phone_of: Whose identifier it has; None for its own.
        facilitator: Payment facilitator it is a sub-merchant of, from 1; 0 for none.
        agent: Agent of the stories that brought it, from 1; 0 for one of the ordinary agents.
        country: Country it does business in; None for any.
        mcc: Merchant category code; None for any.
        listings: MATCH and VMSS codes it was listed with; None where nobody knows.
        declares_percent: Share of its ordinary volume that it declared.
        on_gateway: Whether it uses the gateway device, network address and agent that much of the world uses.
        opened_day, closed_day: Agreement dates in days of the world.
        trade: How it trades.
    """

    number: int
    label: Label
    typology: str
    note: str
    referral_ids: tuple[str, ...] = ()
    declared: tuple[str, ...] | None = None
    requestors: tuple[str, ...] | None = None
    acceptor: str | None = None
    descriptor: str | None = None
    mail_host: str | None = None
    settlement_of: int | None = None
    tax_of: int | None = None
    principal_of: int | None = None
    phone_of: int | None = None
    facilitator: int = 0
    agent: int = 0
    country: str | None = None
    mcc: str | None = None
    listings: tuple[str, ...] | None = None
    declares_percent: int = 100
    on_gateway: bool = False
    opened_day: int = -900
    closed_day: int | None = None
    trade: Trade = ORDINARY


@dataclass(frozen=True, slots=True)
class Referral:
    """One referral: when and by whom, and what is special about it.

    Attributes:
        serial: Its number, from 0.
        domain: The referred domain.
        hotline: Place of the reporting hotline in `HOTLINES`.
        received_day: Day on which the hotline was told.
        is_confirmed: Whether the hotline confirmed it.
        later: Further events after submission and confirmation.
        special: Fields of the first two events that are out of the ordinary.
    """

    serial: int
    domain: str
    hotline: int
    received_day: int
    is_confirmed: bool
    later: tuple[Fields, ...]
    special: Fields

    @property
    def referral_id(self) -> str:
        """The hotline's id for it."""
        return f"ref-{self.serial + 1:05d}"

    def events(self) -> Iterator[Fields]:
        """Yield its events in the order of their issue."""
        facts = self._ordinary() | dict(self.special)
        submitted = {name: value for name, value in facts.items() if name != "confirmed_at"}
        yield {"event": ReferralEventKind.SUBMITTED, "issued_at": facts["received_at"]} | submitted
        if self.is_confirmed:
            yield {"event": ReferralEventKind.CONFIRMED, "issued_at": facts["confirmed_at"]} | facts
        same = {name: facts[name] for name in ("referral_id", "reporting_hotline_id", "schema_version")}
        for event in self.later:
            yield {"event": event["event"], "issued_at": event["issued_at"]} | same | dict(event)

    def _ordinary(self) -> dict[str, Any]:
        """Return what a referral says as a rule: a dedicated commercial site, confirmed after some days."""
        hotline = HOTLINES[self.hotline]
        return {
            "referral_id": self.referral_id,
            "reporting_hotline_id": hotline,
            "hotline_reference": f"{hotline.removeprefix('hotline-')[:2].upper()}-{self.serial + 1:05d}",
            "domain": self.domain,
            "match_scope": MatchScope.REGISTRABLE_DOMAIN,
            "domain_dedicated": Dedicated.YES,
            "site_type": SiteType.WEBSITE,
            "commerciality": Commerciality.COMMERCIAL,
            "payment_methods": [PaymentMethod.VISA, PaymentMethod.MASTERCARD],
            "classification": Classification.BASELINE,
            "received_at": calendar.moment(self.received_day),
            "confirmed_at": calendar.moment(self.received_day + 3, 14),
            "observed_at": calendar.moment(self.received_day - 1, 20),
            "assigned_country": ("GB", "DE", "NL", "SE", "US")[self.hotline],
            "status": ReferralStatus.ACTIVE,
            "status_at": calendar.moment(self.received_day - 1, 20),
            "le_hold": False,
            "valid_from": calendar.moment(0, 0),
            "confidence": 90 + 5 * (self.serial % 2),
            "tlp": Tlp.AMBER,
            "schema_version": "1",
        }


@dataclass(slots=True)
class Stage:
    """Hands out account numbers, flagged names and referrals, and keeps what the stories planted."""

    draws: Draws
    accounts: list[Account] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    facilitators: int = 0
    agents: int = 0
    domains: int = 0

    def next_number(self) -> int:
        """Return the number that the next planted account will have."""
        return len(self.accounts)

    def next_facilitator(self) -> int:
        """Open a payment facilitator and return its number, from 1."""
        self.facilitators += 1
        return self.facilitators

    def next_agent(self) -> int:
        """Let an agent enter and return its number, from 1."""
        self.agents += 1
        return self.agents

    def own_host(self, number: int) -> str:
        """Return the host of an account's own, clean shop."""
        return names.one(names.shop_hosts, number)

    def acceptor_id(self, number: int) -> str:
        """Return an account's card acceptor id."""
        return names.one(names.acceptor_ids, number)

    def descriptor(self, number: int) -> str:
        """Return what cardholders read of an account that trades under its own name."""
        return names.one(names.descriptors, number)

    def currency(self, number: int) -> str:
        """Return the currency an account trades in that no story puts into a certain country."""
        return markets.MARKETS[int(markets.market_of(self.draws, np.array([number]))[0])].currency

    def flagged_label(self) -> str:
        """Return a name for a referred site that no other site has."""
        self.domains += 1
        return names.flagged_label(self.domains - 1)

    def flagged_domain(self) -> str:
        """Return a domain for a referred site."""
        return f"{self.flagged_label()}.example"

    def plant(self, label: Label, typology: str, note: str, **special: Any) -> Account:
        """Add an account to the world; `special` are fields of `Account` that are out of the ordinary."""
        account = Account(number=self.next_number(), label=label, typology=typology, note=note, **special)
        self.accounts.append(account)
        return account

    def refer(
        self,
        domain: str,
        *later: Fields,
        confirmed: bool = True,
        hotline: int | None = None,
        received_day: int | None = None,
        **special: Any,
    ) -> str:
        """Let a hotline submit and confirm a domain, add later events, and return the referral id.

        Args:
            domain: The referred domain.
            later: Further events, in order; each names at least its `event` and its `issued_at`.
            confirmed: False leaves the referral submitted only.
            hotline: Place of the hotline in `HOTLINES`; any when None.
            received_day: Day on which the hotline was told, three before it confirms; any when None.
            special: Fields of the first two events that are out of the ordinary.
        """
        serial = len(self.referrals)
        chosen = self.draws.one("referral hotline", serial, len(HOTLINES)) if hotline is None else hotline
        received = 30 + self.draws.one("referral received", serial, 60) if received_day is None else received_day
        referral = Referral(serial, domain, chosen, received, confirmed, later, special)
        self.referrals.append(referral)
        return referral.referral_id

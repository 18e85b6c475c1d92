"""The stories of a simulated world, one small function each, and the table that casts them.

Sellers trade as the typologies of the domain describe: few prices, prepaid cards, cards
from abroad, young accounts (telling.py). Innocents look alike in exactly one respect and
trade as everybody does. What a story leaves unsaid is ordinary (cast.Account). Stories
about a single behaviour are in behaviours.py.

A referral that no account answers to is a story as well: about a quarter have none, as in life.
Source: typologies after section 2 of the domain notes (rows 1 to 9, 15, 20, 24, 27, 32);
the innocents after its matching hazards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from merchantscreen.simulation import behaviours, calendar, names
from merchantscreen.simulation.cast import HOTLINES, Label, Stage
from merchantscreen.simulation.draws import Draws
from merchantscreen.simulation.telling import Story, home, own_site, page, sell_openly, seller_trade
from merchantscreen.vocabulary import (
    Classification,
    Commerciality,
    Dedicated,
    DomainLinkKind,
    MatchScope,
    PaymentMethod,
    ReferralEventKind,
    ReferralStatus,
    SiteType,
)

_SELLER, _INNOCENT, _BACKGROUND = Label.SELLER, Label.INNOCENT, Label.BACKGROUND


# --------------------------------------------------------------------------- sellers


def declared_seller(stage: Stage, turn: int) -> None:
    """The account declares the very domain that the hotline confirmed."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    special = {"descriptor": domain.upper(), "mail_host": domain} if turn % 2 == 0 else {}
    note = "Declares the flagged domain as its website."
    sell_openly(stage, turn, domain, "declared_seller", note, referral_ids=(referral,), **special)


def undeclared_url(stage: Stage, turn: int) -> None:
    """A clean shop is declared, but most 3-D Secure messages name the flagged domain."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    clean, flagged = own_site(stage), page(f"pay.{domain}" if turn % 2 else domain)
    stage.plant(
        _SELLER,
        "undeclared_url",
        "Declares a clean shop; payments come from the flagged domain.",
        referral_ids=(referral,),
        requestors=clean + flagged + flagged,
        acceptor=flagged[0] if turn % 3 == 0 else None,
        opened_day=36,
        trade=seller_trade(turn),
    )


def sister_account(stage: Stage, turn: int) -> None:
    """Two accounts pay out to one settlement account; only one of them shows the flagged domain."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    note = "Declares the flagged domain; pays out to the same account as its sister."
    first = sell_openly(stage, turn, domain, "sister_account", note, referral_ids=(referral,))
    stage.plant(
        _SELLER,
        "sister_account",
        f"No link of its own; pays out to the settlement account of account number {first.number}.",
        referral_ids=(referral,),
        settlement_of=first.number,
        opened_day=first.opened_day + 2,
        trade=seller_trade(turn + 1),
    )


def successor(stage: Stage, turn: int) -> None:
    """The seller's account is closed; four weeks later the same owner opens the next one, at the same prices."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    note = "Declared the flagged domain; closed, and followed by a successor."
    trade = seller_trade(turn, from_day=0, until_day=50)
    old = sell_openly(
        stage,
        turn,
        domain,
        "successor",
        note,
        referral_ids=(referral,),
        country=home(turn),
        opened_day=-60,
        closed_day=50,
        trade=trade,
    )
    stage.plant(
        _SELLER,
        "successor",
        f"Opened four weeks after account number {old.number} was closed, same owner and tax id, same prices.",
        referral_ids=(referral,),
        tax_of=old.number,
        principal_of=old.number,
        country=home(turn),
        opened_day=78,
        trade=replace(trade, from_day=79, until_day=calendar.DAYS),
    )


def moved_domain(stage: Stage, turn: int) -> None:
    """The hotline saw the site move; the account declares the new domain, which nobody has confirmed."""
    old, new = stage.flagged_domain(), stage.flagged_domain()
    moved = {
        "event": ReferralEventKind.MOVED,
        "issued_at": calendar.moment(105),
        "moved_to_domain": new,
        "status": ReferralStatus.MOVED,
        "status_at": calendar.moment(104),
    }
    referral = stage.refer(old, moved)
    note = "Declares the domain that the referred site moved to."
    sell_openly(stage, turn, new, "moved_domain", note, referral_ids=(referral,))


def tld_hop(stage: Stage, turn: int) -> None:
    """The same name turns up under another top-level domain."""
    label = stage.flagged_label()
    referral = stage.refer(f"{label}.example")
    note = "Declares the name of the flagged domain under another top-level domain."
    sell_openly(stage, turn, f"{label}.test", "tld_hop", note, referral_ids=(referral,))


def facilitator_sub_merchant(stage: Stage, turn: int) -> None:
    """One sub-merchant of a payment facilitator sells; the facilitator's other shops have nothing to do with it."""
    domain, facilitator = stage.flagged_domain(), stage.next_facilitator()
    referral = stage.refer(domain)
    stage.plant(
        _SELLER,
        "facilitator_sub_merchant",
        "Sub-merchant of a payment facilitator; its payments come from the flagged domain.",
        referral_ids=(referral,),
        requestors=own_site(stage) + page(domain) * 3,
        facilitator=facilitator,
        opened_day=37,
        trade=seller_trade(turn),
    )
    for _ in range(3):
        note = "Another sub-merchant of the same payment facilitator."
        stage.plant(_INNOCENT, "shared_facilitator", note, referral_ids=(referral,), facilitator=facilitator)


def redirector(stage: Stage, turn: int) -> None:
    """The referred site only redirects; the account declares where it leads to."""
    front, target = stage.flagged_domain(), stage.flagged_domain()
    link = {"kind": DomainLinkKind.REDIRECT, "domain": target}
    referral = stage.refer(front, site_type=SiteType.REDIRECTOR, domain_links=[link])
    note = "Declares the domain that the referred site redirects to."
    sell_openly(stage, turn, target, "redirector", note, referral_ids=(referral,))


def merchant_id_clue(stage: Stage, turn: int) -> None:
    """The hotline read merchant id, descriptor and price on the payment page; no domain leads to the account."""
    number, trade = stage.next_number(), seller_trade(turn)
    clue = {
        "merchant_id": stage.acceptor_id(number),
        "descriptor": stage.descriptor(number),
        "amount_minor": trade.prices[0],
        "currency": stage.currency(number),
        "seen_at": calendar.moment(70, 15),
    }
    referral = stage.refer(stage.flagged_domain(), payment_clues=[clue])
    note = "The hotline saw its merchant id, descriptor and price; no domain leads to it."
    stage.plant(_SELLER, "merchant_id_clue", note, referral_ids=(referral,), opened_day=38, trade=trade)


def two_hotlines(stage: Stage, turn: int) -> None:
    """Two hotlines confirm the same domain independently; within days of it hardly any business is left."""
    domain = stage.flagged_domain()
    first = stage.refer(domain, hotline=turn % len(HOTLINES), received_day=76)
    second = stage.refer(domain, hotline=(turn + 1) % len(HOTLINES), received_day=77)
    note = "Declares a domain that two hotlines confirmed; stopped trading within days of it."
    trade = seller_trade(turn, until_day=82)
    sell_openly(stage, turn, domain, "two_hotlines", note, referral_ids=(first, second), trade=trade)


def shared_host_seller(stage: Stage, turn: int) -> None:
    """A tenant of a free host is flagged; its neighbours on the host are other people's shops."""
    host = f"{stage.flagged_label()}.{names.FREE_HOST}"
    referral = stage.refer(host, match_scope=MatchScope.HOST, site_type=SiteType.WEBSITE)
    note = "Declares the flagged tenant of a shared host."
    sell_openly(stage, turn, host, "shared_host_seller", note, referral_ids=(referral,))
    for _ in range(3):
        site = page(f"{stage.own_host(stage.next_number()).partition('.')[0]}.{names.FREE_HOST}")
        note = "Another tenant of the same shared host."
        stage.plant(_INNOCENT, "shared_host_tenant", note, referral_ids=(referral,), declared=site, requestors=site)


# --------------------------------------------------------------------------- innocents


def agency_phone(stage: Stage, turn: int) -> None:
    """A web agency answers the telephone for many shops; one of them is a seller."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    note = "Declares the flagged domain; its telephone is that of a web agency."
    seller = sell_openly(stage, turn, domain, "declared_seller", note, referral_ids=(referral,))
    for _ in range(8):
        note = "A shop with the telephone of the same web agency."
        stage.plant(_INNOCENT, "agency_phone", note, referral_ids=(referral,), phone_of=seller.number)


def same_descriptor(stage: Stage, turn: int) -> None:
    """Two strangers trade under one name on the card statement."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    note = "Declares the flagged domain; its descriptor is also that of an honest shop."
    seller = sell_openly(stage, turn, domain, "declared_seller", note, referral_ids=(referral,))
    note = "An honest shop whose descriptor coincides with a seller's."
    descriptor = stage.descriptor(seller.number)
    stage.plant(_INNOCENT, "same_descriptor", note, referral_ids=(referral,), descriptor=descriptor)


def hub(stage: Stage, turn: int) -> None:
    """Gateway device, network address, agent and payment page of much of the world, shared with a seller."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    note = "Declares the flagged domain; uses the gateway that much of the world uses."
    sell_openly(stage, turn, domain, "declared_seller", note, referral_ids=(referral,), on_gateway=True)
    for _ in range(3):
        note = "Shares gateway, network address, agent and payment page with a seller and with much of the world."
        pages = own_site(stage) + page(names.PAYMENT_PAGE)
        stage.plant(_INNOCENT, "hub", note, referral_ids=(referral,), requestors=pages, on_gateway=True)


def reregistered_domain(stage: Stage, _turn: int) -> None:
    """The flagged site is long gone; an honest firm has registered its domain since."""
    domain = stage.flagged_domain()
    removed = {
        "event": ReferralEventKind.SITE_DOWN,
        "issued_at": calendar.moment(-700),
        "status": ReferralStatus.REMOVED,
        "status_at": calendar.moment(-701),
    }
    referral = stage.refer(
        domain,
        removed,
        received_at=calendar.moment(-860),
        observed_at=calendar.moment(-861),
        confirmed_at=calendar.moment(-857),
        status_at=calendar.moment(-861),
        valid_from=calendar.moment(-870),
        valid_until=calendar.moment(-500),
    )
    site, note = page(domain), "Registered the domain long after the referral expired."
    stage.plant(
        _INNOCENT,
        "reregistered_domain",
        note,
        referral_ids=(referral,),
        declared=site,
        requestors=site,
        opened_day=-200,
    )


def shared_marketplace(stage: Stage, _turn: int) -> None:
    """A marketplace is referred for one of its many sellers; it does not serve that purpose alone."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain, domain_dedicated=Dedicated.NO, payment_methods=[PaymentMethod.NOT_DETERMINED])
    for place in range(2):
        site = (f"https://{domain}/shops/{stage.next_number()}",)
        note = "Sells on a marketplace that is not dedicated to the referred purpose."
        stage.plant(
            _INNOCENT,
            "shared_marketplace",
            note,
            referral_ids=(referral,),
            declared=site,
            requestors=site if place else None,
        )


def same_payment_page(stage: Stage, _turn: int) -> None:
    """The hotline noticed that an honest shop's domain uses the payment page of the referred site."""
    shared = stage.flagged_domain()
    link = {"kind": DomainLinkKind.SHARED_PAYMENT_PAGE, "domain": shared}
    referral = stage.refer(stage.flagged_domain(), domain_links=[link])
    note = "Declares a domain whose payment page the referred site uses too."
    stage.plant(_INNOCENT, "same_payment_page", note, referral_ids=(referral,), declared=page(shared))


def unconfirmed_referral(stage: Stage, _turn: int) -> None:
    """Somebody reported a shop; the hotline has not looked at it yet."""
    domain = stage.flagged_domain()
    referral = stage.refer(
        domain,
        confirmed=False,
        commerciality=Commerciality.NOT_DETERMINED,
        payment_methods=[PaymentMethod.NOT_DETERMINED],
        domain_dedicated=Dedicated.UNKNOWN,
        classification=Classification.NATIONAL,
        classification_country="SE",
        legal_basis="awaiting assessment",
    )
    note = "Declares a domain that no hotline has confirmed."
    stage.plant(_INNOCENT, "unconfirmed_referral", note, referral_ids=(referral,), declared=page(domain))


def retracted_referral(stage: Stage, _turn: int) -> None:
    """The hotline took its word back."""
    domain = stage.flagged_domain()
    event = {
        "event": ReferralEventKind.RETRACTED,
        "issued_at": calendar.moment(110),
        "status": ReferralStatus.NOT_ILLEGAL,
        "reason_code": "not-illegal-on-review",
    }
    referral = stage.refer(domain, event)
    note = "Declares a domain whose referral was retracted."
    stage.plant(_INNOCENT, "retracted_referral", note, referral_ids=(referral,), declared=page(domain))


# --------------------------------------------------------------------------- neither


def disputed_referral(stage: Stage, _turn: int) -> None:
    """The hotline itself doubts the referral by now; a reviewer must see that."""
    domain = stage.flagged_domain()
    event = {
        "event": ReferralEventKind.DISPUTED,
        "issued_at": calendar.moment(108),
        "reason_code": "second-opinion-pending",
    }
    referral = stage.refer(domain, event)
    note = "Declares a domain whose referral is disputed."
    stage.plant(_BACKGROUND, "disputed_referral", note, referral_ids=(referral,), declared=page(domain))


def law_enforcement_hold(stage: Stage, turn: int) -> None:
    """The police ask for silence: the account belongs in the sealed queue and nowhere else."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain, le_hold=True)
    site, note = page(domain), "Declares a domain under a law-enforcement hold; to be seen in the sealed queue only."
    stage.plant(
        _BACKGROUND,
        "law_enforcement_hold",
        note,
        referral_ids=(referral,),
        declared=site,
        requestors=site,
        opened_day=40,
        trade=seller_trade(turn),
    )


def nobody(stage: Stage, turn: int) -> None:
    """No account of this world has anything to do with the referred site."""
    down = {
        "event": ReferralEventKind.SITE_DOWN,
        "issued_at": calendar.moment(112),
        "status": ReferralStatus.UNAVAILABLE,
        "status_at": calendar.moment(111),
    }
    stage.refer(stage.flagged_domain(), *([down] if turn % 3 == 0 else []))


NOBODY: Final = Story("nobody", nobody, accounts=0)
STORIES: Final[tuple[Story, ...]] = (
    Story("declared_seller", declared_seller, accounts=1),
    Story("undeclared_url", undeclared_url, accounts=1),
    Story("sister_account", sister_account, accounts=2),
    Story("successor", successor, accounts=2),
    Story("moved_domain", moved_domain, accounts=1),
    Story("tld_hop", tld_hop, accounts=1),
    Story("facilitator_sub_merchant", facilitator_sub_merchant, accounts=4),
    Story("redirector", redirector, accounts=1),
    Story("merchant_id_clue", merchant_id_clue, accounts=1),
    Story("two_hotlines", two_hotlines, accounts=1, referrals=2, every=2),
    Story("standby_accounts", behaviours.standby_accounts, accounts=6, every=2),
    Story("dormant_account", behaviours.dormant_account, accounts=2),
    Story("drift_after_opening", behaviours.drift_after_opening, accounts=1),
    Story("card_testing", behaviours.card_testing, accounts=1, every=2),
    Story("renamed_after_referral", behaviours.renamed_after_referral, accounts=1),
    Story("listed_sibling", behaviours.listed_sibling, accounts=3, every=2),
    Story("miscoded_account", behaviours.miscoded_account, accounts=2),
    Story("facilitator_cluster", behaviours.facilitator_cluster, accounts=6, every=4),
    Story("shared_host_seller", shared_host_seller, accounts=4, every=2),
    Story("agency_phone", agency_phone, accounts=9, every=4),
    Story("same_descriptor", same_descriptor, accounts=2, every=2),
    Story("hub", hub, accounts=4, every=4),
    Story("reregistered_domain", reregistered_domain, accounts=1),
    Story("shared_marketplace", shared_marketplace, accounts=2, every=2),
    Story("same_payment_page", same_payment_page, accounts=1, every=2),
    Story("unconfirmed_referral", unconfirmed_referral, accounts=1, every=2),
    Story("retracted_referral", retracted_referral, accounts=1, every=4),
    Story("disputed_referral", disputed_referral, accounts=1, every=4),
    Story("law_enforcement_hold", law_enforcement_hold, accounts=1, every=4),
)
"""The table of typologies. A world tells them in this order, round after round."""


def tell(draws: Draws, referrals: int, most_accounts: int) -> Stage:
    """Tell stories until all referrals are used; every fourth referral, and all beyond the room, find nobody.

    Args:
        draws: The world's random numbers.
        referrals: Referrals to hand out, each exactly once.
        most_accounts: Accounts that stories may plant; the rest of the world must outnumber them.
    """
    stage = Stage(draws)
    stories = _rounds()
    while len(stage.referrals) < referrals:
        turn = len(stage.referrals)
        story = NOBODY if turn % 4 == 3 else next(stories)
        fits = story.accounts + len(stage.accounts) <= most_accounts and turn + story.referrals <= referrals
        (story if fits else NOBODY).plant(stage, turn)
    return stage


def _rounds() -> Iterator[Story]:
    turn = 0
    while True:
        yield from (story for story in STORIES if turn % story.every == 0)
        turn += 1

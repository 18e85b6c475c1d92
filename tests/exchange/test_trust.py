"""The trust file: which version follows, whose key counts when, and for what."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from exchange.network import (
    END,
    FIRST_OFFICER,
    NORTH,
    NOW,
    SECOND_OFFICER,
    SOUTH,
    START,
    THIRD_OFFICER,
    accepted,
    key,
    officers,
    organisation,
    referral,
    signed_trust,
    trust,
)

from merchantscreen.errors import InputError
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.exchange_problems import EnvelopeError, SignatureError, TrustError
from merchantscreen.referrals.trust import LARGEST_TRUST, KeyGrant, Trust, read_trust
from merchantscreen.referrals.trustchain import (
    TrustState,
    accept,
    changed,
    follow,
    gathered,
    propose,
    root,
    sign_proposal,
)

NEXT_DAY = START + timedelta(days=1)


def codes(error: pytest.ExceptionInfo[InputError]) -> set[str]:
    """Return the codes of an error's problems."""
    return {problem.code for problem in error.value.problems}


def second(old: Trust, **changes: Any) -> Trust:
    """Return the next version."""
    return changed(old, NEXT_DAY, END, **changes)


def refused(state: TrustState, data: bytes) -> set[str]:
    """Return the codes for which a version does not follow."""
    with pytest.raises((TrustError, SignatureError)) as error:
        follow(state, data)
    return codes(error)


# --------------------------------------------------------------------------- the chain


def test_a_first_version_is_pinned_or_chosen() -> None:
    """The pinned file is taken, any other is not; its own officers have to have signed it."""
    data = signed_trust(trust())
    state = root(data)
    assert root(data, pinned=state.digest) == state
    with pytest.raises(TrustError) as error:
        root(data, pinned="0" * 64)
    assert codes(error) == {"MS-EXC-049"}
    with pytest.raises(TrustError) as error:
        root(signed_trust(trust(), FIRST_OFFICER))
    assert codes(error) == {"MS-EXC-043"}
    with pytest.raises(SignatureError):
        root(signed_trust(trust(), FIRST_OFFICER, SECOND_OFFICER, NORTH))


def test_the_next_version_follows() -> None:
    """One number up, signed by two officers: it follows, and following again changes nothing."""
    state = accepted(trust())
    data = signed_trust(second(state.current))
    after = follow(state, data)
    assert [version.trust.version for version in after.versions] == [1, 2]
    assert follow(after, data) is after


def test_rollback_skip_and_fork_have_names() -> None:
    """An old version, one that skips and a second one with our number are each refused by name."""
    first = accepted(trust())
    two = follow(first, signed_trust(second(first.current)))
    three = follow(two, signed_trust(changed(two.current, NEXT_DAY, END)))
    assert refused(three, two.versions[1].envelope) == {"MS-EXC-044"}
    assert refused(three, signed_trust(second(first.current, protected_hosts=("a.example",)))) == {"MS-EXC-044"}
    assert refused(first, three.versions[2].envelope) == {"MS-EXC-045"}
    assert refused(two, signed_trust(second(first.current, protected_hosts=("a.example",)))) == {"MS-EXC-046"}


def test_another_network_and_an_older_time_do_not_follow() -> None:
    """Audience and time of issue go on from the version before."""
    state = accepted(trust())
    assert refused(state, signed_trust(second(state.current, audience="network-two"))) == {"MS-EXC-048"}
    older = changed(state.current, START - timedelta(days=1), END)
    assert refused(state, signed_trust(older)) == {"MS-EXC-050"}


def test_old_and_new_officers_have_to_sign() -> None:
    """A change of officers needs enough of both; one person in both counts for both."""
    state = accepted(trust())
    new_officers = officers(2, THIRD_OFFICER, key("officer 4"), key("officer 5"))
    data = second(state.current, officers=new_officers)
    assert refused(state, signed_trust(data, THIRD_OFFICER, key("officer 4"))) == {"MS-EXC-042"}
    assert refused(state, signed_trust(data, FIRST_OFFICER, SECOND_OFFICER)) == {"MS-EXC-043"}
    assert refused(state, signed_trust(data, FIRST_OFFICER, THIRD_OFFICER)) == {"MS-EXC-043"}
    both = follow(state, signed_trust(data, FIRST_OFFICER, THIRD_OFFICER, key("officer 4")))
    assert both.current.officers == new_officers
    assert refused(both, signed_trust(changed(both.current, NEXT_DAY, END))) == {"MS-EXC-042"}


def test_a_stranger_among_the_signatures_spoils_them() -> None:
    """Enough officers do not excuse a signature of somebody else."""
    state = accepted(trust())
    assert refused(state, signed_trust(second(state.current), FIRST_OFFICER, SECOND_OFFICER, SOUTH)) == {"MS-EXC-012"}


def test_an_expired_version_is_only_a_step() -> None:
    """Expired versions lead to a current one; alone they are refused, and so is one from the future."""
    first = trust(expires_at=datetime(2026, 2, 1))
    with pytest.raises(TrustError) as error:
        accept(None, [signed_trust(first)], NOW)
    assert codes(error) == {"MS-EXC-047"}
    later = second(first)
    assert accept(None, [signed_trust(first), signed_trust(later)], NOW).current == later
    with pytest.raises(TrustError) as error:
        accept(None, [signed_trust(trust())], START - timedelta(days=1))
    assert codes(error) == {"MS-EXC-050"}
    with pytest.raises(TrustError) as error:
        accept(None, [], NOW)
    assert codes(error) == {"MS-EXC-053"}


def test_no_flipped_bit_follows() -> None:
    """Bits of the next version, flipped: not one is taken."""
    state = accepted(trust(organisations=()))
    data = signed_trust(second(state.current))
    for bit in range(0, len(data) * 8, 3):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InputError):
            follow(state, bytes(flipped))


# --------------------------------------------------------------------------- proposals


def test_a_proposal_gathers_signatures() -> None:
    """Officers sign one after the other; then, and only then, it follows."""
    state = accepted(trust())
    said = second(state.current, **trustchain.with_organisation(state.current, organisation("hotline-east", key("e"))))
    data = propose(said)
    assert (gathered(state, data).old.signed, gathered(state, data).is_complete) == ((), False)
    once = sign_proposal(state, data, FIRST_OFFICER)
    assert gathered(state, once).missing == ("Officer 2", "Officer 3")
    assert refused(state, once) == {"MS-EXC-042"}
    twice = sign_proposal(state, once, SECOND_OFFICER)
    assert gathered(state, twice).is_complete
    assert follow(state, twice).current == said
    with pytest.raises(EnvelopeError):
        sign_proposal(state, twice, SECOND_OFFICER)
    with pytest.raises(TrustError):
        sign_proposal(state, twice, NORTH)


def test_a_first_proposal_needs_its_own_officers_only() -> None:
    """Without a version before, only the new officers are asked."""
    data = sign_proposal(None, sign_proposal(None, propose(trust()), THIRD_OFFICER), FIRST_OFFICER)
    assert (gathered(None, data).old.needed, gathered(None, data).is_complete) == (0, True)
    assert root(data).current == trust()


# --------------------------------------------------------------------------- keys


def test_a_key_counts_at_both_moments_or_not_at_all() -> None:
    """Before, inside, at the end, and after a revocation: a key has to count when it signs and when we receive."""
    grant = KeyGrant(public=NORTH.verify_key, valid_from=START, valid_until=END)
    assert grant.counts_at(START, END - timedelta(seconds=1))
    assert not grant.counts_at(START - timedelta(seconds=1), NOW)
    assert not grant.counts_at(NOW, END)
    revoked = KeyGrant(public=NORTH.verify_key, valid_from=START, revoked_from=NOW, reason="stolen")
    assert revoked.counts_at(NOW - timedelta(seconds=1))
    assert not revoked.counts_at(NOW - timedelta(seconds=1), NOW)


def test_rotation_leaves_no_gap_and_no_overlap() -> None:
    """The old key counts until the moment, the new one from it, and the old signatures stay attributable."""
    old, new = trust(), key("north 2")
    said = second(old, **trustchain.rotated(old, NORTH.key_id, new.verify_key, NOW))
    before, event = NOW - timedelta(seconds=1), referral()
    for moment, behind in ((before, NORTH), (NOW, new)):
        assert said.organisations_behind([NORTH.key_id], event, moment) == (
            {"hotline-north"} if behind is NORTH else set()
        )
        assert said.is_signed_by("hotline-north", [new.key_id], moment) is (behind is new)
    assert said.owner_of(NORTH.key_id) == said.owner_of(new.key_id) == "hotline-north"


def test_an_earlier_revocation_stays_the_earlier_one() -> None:
    """Revoking again cannot bring statements back."""
    once = second(trust(), **trustchain.revoked(trust(), NORTH.key_id, START + timedelta(days=9), "stolen"))
    again = changed(once, NEXT_DAY, END, **trustchain.revoked(once, NORTH.key_id, NOW, "stolen"))
    (grant,) = [grant for _, grant in again.grants() if grant.public == NORTH.verify_key]
    assert grant.revoked_from == START + timedelta(days=9)


def test_unknown_keys_and_organisations_are_named() -> None:
    """A change of what is not there is refused."""
    with pytest.raises(TrustError) as error:
        trustchain.revoked(trust(), "0" * 64, NOW, "stolen")
    assert codes(error) == {"MS-EXC-051"}
    with pytest.raises(TrustError) as error:
        trustchain.with_key(trust(), "nobody", KeyGrant(public=NORTH.verify_key, valid_from=START))
    assert codes(error) == {"MS-EXC-052"}


# --------------------------------------------------------------------------- scopes and hosts


@pytest.mark.parametrize(
    ("limits", "event", "allowed"),
    [
        ({"events": ["submitted"]}, {}, False),
        ({"events": ["submitted"]}, {"event": "submitted"}, True),
        ({"events": []}, {"event": "retracted"}, True),
        ({"events": []}, {"event": "heartbeat"}, True),
        ({"events": []}, {"event": "amended", "status": "not_illegal"}, True),
        ({"events": []}, {"event": "amended", "status": "removed"}, False),
        ({"jurisdictions": ["NL"]}, {"assigned_country": "NL"}, True),
        ({"jurisdictions": ["NL"]}, {"assigned_country": "DE"}, False),
        ({"jurisdictions": ["NL"]}, {}, False),
        ({"jurisdictions": ["NL"]}, {"event": "disputed"}, True),
        ({"jurisdictions": ["NL"]}, {"event": "retracted"}, True),
        ({"suffixes": ["example"]}, {"domain": "shop.example"}, True),
        ({"suffixes": ["shop.example"]}, {"domain": "shop.example"}, True),
        ({"suffixes": ["hop.example"]}, {"domain": "shop.example"}, False),
        ({"suffixes": ["test"]}, {"domain": "shop.example"}, False),
        ({"suffixes": ["example"]}, {"event": "moved", "moved_to_domain": "shop.test"}, False),
        ({"suffixes": ["test"]}, {"event": "retracted"}, True),
    ],
)
def test_a_scope_limits_accusations_and_never_retractions(limits: Any, event: Any, *, allowed: bool) -> None:
    """Kinds, countries and suffixes limit what names a site; taking back is always in scope."""
    assert organisation("hotline-north", NORTH, **limits).allows(referral(**event)) is allowed


@pytest.mark.parametrize(
    ("reach", "protected"),
    [("big.example", True), ("www.big.example", True), ("pages.big.example", False), ("deep.host.example", True),
     ("host.example", True), ("example", True), ("notbig.example", False)],
)  # fmt: skip
def test_a_name_that_would_count_a_protected_host_is_protected(reach: str, *, protected: bool) -> None:
    """The host, its www and everything above it; a site under it is a site of its own."""
    assert trust(protected_hosts=("big.example", "deep.host.example")).protects(reach) is protected


# --------------------------------------------------------------------------- the file


def stated(**changes: Any) -> bytes:
    """Return the payload of a trust file with some fields changed."""
    return json.dumps({**json.loads(trust().payload()), **changes}).encode()


def test_a_trust_file_gives_itself_back() -> None:
    """What is written is what is read, in one form."""
    said = trust(protected_hosts=("z.example", "a.example"))
    assert read_trust(said.payload()) == said
    assert read_trust(said.payload()).payload() == said.payload()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"schema": None}, "MS-EXC-040"),
        ({"version": 0}, "MS-EXC-040"),
        ({"more": 1}, "MS-EXC-040"),
        ({"expires_at": "2025-01-01T00:00:00Z"}, "MS-EXC-041"),
        ({"officers": {"threshold": 1, "keys": []}}, "MS-EXC-040"),
        ({"thresholds": {"retracted": 2}}, "MS-EXC-040"),
        ({"thresholds": {"protected_host": 1}}, "MS-EXC-040"),
        ({"protected_hosts": ["http://a.example/x"]}, "MS-EXC-040"),
        ({"organisations": json.loads(trust().payload())["organisations"] * 2}, "MS-EXC-041"),
    ],
)
def test_a_trust_file_has_one_form(changes: dict[str, Any], code: str) -> None:
    """Unknown, missing and contradictory parts are refused."""
    with pytest.raises(EnvelopeError) as error:
        read_trust(stated(**changes))
    assert codes(error) == {code}


def test_one_person_is_one_officer_and_one_key_has_one_owner() -> None:
    """Neither a name nor a key can count twice."""
    with pytest.raises(EnvelopeError):
        trust(organisations=(organisation("hotline-north", FIRST_OFFICER),))
    with pytest.raises(EnvelopeError):
        trust(organisations=(organisation("a", NORTH), organisation("b", NORTH)))
    with pytest.raises(EnvelopeError):
        trust(organisations=(organisation("a", NORTH, NORTH),))
    fields = json.loads(trust().payload())["officers"]
    fields["keys"][1]["name"] = fields["keys"][0]["name"]
    with pytest.raises(EnvelopeError) as error:
        read_trust(stated(officers=fields))
    assert codes(error) == {"MS-EXC-041"}


def test_a_weak_key_in_a_trust_file_is_refused_by_place() -> None:
    """A low-order key never gets into a trust file, and the message says where it was."""
    organisations = json.loads(trust().payload())["organisations"]
    organisations[1]["keys"][0]["public"] = "ed25519:" + "A" * 43 + "="
    with pytest.raises(EnvelopeError) as error:
        read_trust(stated(organisations=organisations))
    assert "organisations[1].keys[0].public" in {problem.column for problem in error.value.problems}
    assert "must not be trusted" in error.value.problems[0].found


def test_a_large_network_fits_into_one_event_of_the_log() -> None:
    """Sixty hotlines with a key each stay below the limit of a trust file."""
    many = tuple(organisation(f"hotline-{number:03}", key(str(number))) for number in range(60))
    assert len(trust(organisations=many).payload()) < LARGEST_TRUST

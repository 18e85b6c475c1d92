"""The chain of trust files: which version follows, and how officers make the next one together.

Rules kept here:
* the first version is taken because somebody pinned its sha256, or chose it as the workspace's root;
* every next version has the next number and is signed by enough officers of the old one and of its own;
* an older version (rollback), one that skips others, and a second one with our number (fork) are refused by name;
* a version that has expired is taken only on the way to one that has not (freeze);
* a proposal is an envelope that gathers signatures one officer after the other; it is nothing until it has enough.

Pure: no clock, no file. What a version says is in `trust`.
Source: TUF specification 5.3, root role; threat model 5.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from merchantscreen.referrals import envelope
from merchantscreen.referrals.envelope import TRUST_TYPE
from merchantscreen.referrals.exchange_problems import PROBLEMS, TrustError
from merchantscreen.referrals.keys import SigningKey, VerifyKey
from merchantscreen.referrals.trust import KeyGrant, Officers, Organisation, Thresholds, Trust, make_trust, read_trust

CLOCK_TOLERANCE: Final = timedelta(minutes=10)
_WHERE: Final = "trust file"


@dataclass(frozen=True, slots=True)
class Version:
    """One accepted version.

    Attributes:
        trust: What it says.
        digest: sha256 of the signed payload, hexadecimal; what is pinned.
        envelope: The bytes as they were accepted.
    """

    trust: Trust
    digest: str
    envelope: bytes


@dataclass(frozen=True, slots=True)
class TrustState:
    """The chain of accepted versions, oldest first; never empty."""

    versions: tuple[Version, ...]

    @property
    def current(self) -> Trust:
        """Return what the last version says."""
        return self.versions[-1].trust

    @property
    def digest(self) -> str:
        """Return the digest of the last version."""
        return self.versions[-1].digest


# --------------------------------------------------------------------------- accepting


def root(data: bytes, *, pinned: str | None = None) -> TrustState:
    """Take a first version, signed by enough of its own officers, without asking whether it has expired.

    Args:
        data: The envelope.
        pinned: sha256 of the payload, learnt over another channel; None if somebody chose this very file.

    Raises:
        EnvelopeError, TrustError: It cannot be read, is not the pinned one, or lacks signatures.
    """
    digest = hashlib.sha256(envelope.unverified(data, TRUST_TYPE).payload).hexdigest()
    if pinned is not None and pinned != digest:
        raise _refused("MS-EXC-049")
    trust = read_trust(envelope.unverified(data, TRUST_TYPE).payload)
    _require_officers(data, trust.officers, "MS-EXC-043", others=())
    return TrustState((Version(trust, digest, data),))


def follow(state: TrustState, data: bytes) -> TrustState:
    """Take the next version, without asking whether it has expired; the version we hold changes nothing.

    Raises:
        EnvelopeError, TrustError: It cannot be read or does not follow.
    """
    digest = hashlib.sha256(envelope.unverified(data, TRUST_TYPE).payload).hexdigest()
    if digest in {version.digest for version in state.versions}:
        if digest == state.digest:
            return state
        raise _refused("MS-EXC-044")
    old = state.current
    checked = envelope.verify_some(data, TRUST_TYPE, old.officers.verify_keys)
    if len(checked.key_ids) < old.officers.threshold:
        raise _refused("MS-EXC-042", f"{len(checked.key_ids)} of {old.officers.threshold} signatures")
    new = read_trust(checked.payload)
    _require_successor(old, new)
    _require_officers(data, new.officers, "MS-EXC-043", others=old.officers.verify_keys)
    return replace(state, versions=(*state.versions, Version(new, digest, data)))


def standing(data: bytes) -> TrustState:
    """Take a version alone, as an officer without the chain has it: signed by enough of its own officers.

    Whether it is the one in force is not to be seen from it; its sha256 has to be compared over another channel.

    Raises:
        EnvelopeError, TrustError: It cannot be read, or lacks signatures.
    """
    checked = envelope.unverified(data, TRUST_TYPE)
    trust = read_trust(checked.payload)
    count = len(envelope.verify_some(data, TRUST_TYPE, trust.officers.verify_keys).key_ids)
    if count < trust.officers.threshold:
        raise _refused("MS-EXC-043", f"{count} of {trust.officers.threshold} signatures")
    return TrustState((Version(trust, checked.digest, data),))


def accept(state: TrustState | None, data: Sequence[bytes], at: datetime, *, pinned: str | None = None) -> TrustState:
    """Take one or more versions in order; the last of them has to be valid now.

    Args:
        state: The chain we hold; None to begin one with the first of `data`.
        data: Envelopes, oldest first.
        at: Now, UTC without zone.
        pinned: For a first version, see `root`.

    Raises:
        EnvelopeError, TrustError: One of them is refused; then none is taken.
    """
    for one in data:
        state = root(one, pinned=pinned) if state is None else follow(state, one)
    if state is None:
        raise _refused("MS-EXC-053")
    if state.current.is_expired(at):
        raise _refused("MS-EXC-047")
    if state.current.issued_at > at + CLOCK_TOLERANCE:
        raise _refused("MS-EXC-050")
    return state


def _require_successor(old: Trust, new: Trust) -> None:
    step = new.version - old.version
    table = (
        (new.audience != old.audience, "MS-EXC-048"),
        (step == 0, "MS-EXC-046"),
        (step < 0, "MS-EXC-044"),
        (step > 1, "MS-EXC-045"),
        (new.issued_at < old.issued_at, "MS-EXC-050"),
    )
    for is_wrong, code in table:
        if is_wrong:
            raise _refused(code)


def _require_officers(data: bytes, officers: Officers, code: str, *, others: Iterable[VerifyKey]) -> None:
    """Ask for enough signatures of some officers, and for none by anybody but them and the others."""
    own = officers.verify_keys
    checked = envelope.verify(data, TRUST_TYPE, (*own, *others))
    count = len(checked.key_ids & {key.key_id for key in own})
    if count < officers.threshold:
        raise _refused(code, f"{count} of {officers.threshold} signatures")


# --------------------------------------------------------------------------- proposing


@dataclass(frozen=True, slots=True)
class Signing:
    """How far the signatures of some officers are.

    Attributes:
        needed: How many of them have to sign.
        signed: Names of those who have.
        missing: Names of those who could still.
    """

    needed: int
    signed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def lacking(self) -> int:
        """Return how many more have to sign."""
        return max(0, self.needed - len(self.signed))


@dataclass(frozen=True, slots=True)
class Gathered:
    """How far a proposal is.

    Attributes:
        trust: What the proposal says.
        old: Signatures of the officers of the version we hold; none is needed for a first version.
        new: Signatures of the officers that the proposal names.
    """

    trust: Trust
    old: Signing
    new: Signing

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of all officers who could still sign."""
        return tuple(sorted({*self.old.missing, *self.new.missing}))

    @property
    def is_complete(self) -> bool:
        """Tell whether it can be accepted."""
        return not (self.old.lacking or self.new.lacking)


def propose(trust: Trust) -> bytes:
    """Return a version as an envelope without signatures."""
    return envelope.sign(trust.payload(), TRUST_TYPE)


def sign_proposal(state: TrustState | None, data: bytes, key: SigningKey) -> bytes:
    """Return a proposal with one more signature.

    Raises:
        EnvelopeError, TrustError: It is no proposal that could follow, or the key is of none of its officers.
    """
    trust = gathered(state, data).trust
    old = state.current.officers.verify_keys if state is not None else ()
    if key.verify_key not in {*trust.officers.verify_keys, *old}:
        raise _refused("MS-EXC-051", "a key of nobody among the officers")
    return envelope.countersign(data, TRUST_TYPE, key)


def gathered(state: TrustState | None, data: bytes) -> Gathered:
    """Tell how far a proposal is; wrong signatures are refused, missing ones are counted.

    Raises:
        EnvelopeError, TrustError: It is no proposal that could follow.
    """
    trust = read_trust(envelope.unverified(data, TRUST_TYPE).payload)
    if state is not None:
        _require_successor(state.current, trust)
    old = state.current.officers if state is not None else None
    keys = (*trust.officers.verify_keys, *(old.verify_keys if old is not None else ()))
    signed = envelope.verify_some(data, TRUST_TYPE, keys).key_ids
    return Gathered(
        trust, Signing(0, (), ()) if old is None else _signing(old, signed), _signing(trust.officers, signed)
    )


def _signing(officers: Officers, signed: Collection[str]) -> Signing:
    names = {is_there: tuple(one.name for one in officers.keys if (one.public.key_id in signed) is is_there)
             for is_there in (True, False)}  # fmt: skip
    return Signing(officers.threshold, names[True], names[False])


# --------------------------------------------------------------------------- the next version


def changed(old: Trust, issued_at: datetime, expires_at: datetime, **changes: Any) -> Trust:
    """Return the next version: the old one with another number, new times and some fields changed.

    Args:
        old: The version we hold.
        issued_at: When it is made.
        expires_at: Until when it may be relied on.
        **changes: Fields of `Trust`.

    Raises:
        EnvelopeError: The changes contradict what stays.
    """
    fields = {name: getattr(old, name) for name in Trust.model_fields if name != "schema_name"}
    moved_on = {"version": old.version + 1, "issued_at": issued_at, "expires_at": expires_at}
    return make_trust({**fields, **moved_on, **changes})


def with_organisation(trust: Trust, organisation: Organisation) -> dict[str, Any]:
    """Return the change that adds an organisation, or replaces the one of the same id."""
    others = (found for found in trust.organisations if found.id != organisation.id)
    return {"organisations": tuple(sorted((*others, organisation), key=lambda found: found.id))}


def with_key(trust: Trust, organisation_id: str, grant: KeyGrant) -> dict[str, Any]:
    """Return the change that gives an organisation one more key.

    Raises:
        TrustError: There is no such organisation.
    """
    organisation = _organisation(trust, organisation_id)
    return with_organisation(trust, organisation.model_copy(update={"keys": (*organisation.keys, grant)}))


def rotated(trust: Trust, old_key_id: str, new: VerifyKey, at: datetime) -> dict[str, Any]:
    """Return the change that replaces a key: the old one counts until a moment, the new one from it.

    Raises:
        TrustError: No organisation has the old key.
    """
    organisation, old = _grant(trust, old_key_id)
    until = at if old.valid_until is None else min(at, old.valid_until)
    keys = (*_replaced(organisation, old, old.model_copy(update={"valid_until": until})),
            KeyGrant(public=new, valid_from=at))  # fmt: skip
    return with_organisation(trust, organisation.model_copy(update={"keys": keys}))


def revoked(trust: Trust, key_id: str, since: datetime, reason: str) -> dict[str, Any]:
    """Return the change that stops a key from counting since a moment; an earlier revocation stays the earlier one.

    Raises:
        TrustError: No organisation has the key.
    """
    organisation, old = _grant(trust, key_id)
    first = since if old.revoked_from is None else min(since, old.revoked_from)
    stopped = old.model_copy(update={"revoked_from": first, "reason": reason})
    return with_organisation(trust, organisation.model_copy(update={"keys": _replaced(organisation, old, stopped)}))


def ended(trust: Trust, key_ids: Collection[str], at: datetime) -> dict[str, Any]:
    """Return the change that lets keys of organisations count until a moment and no longer.

    They stay in the trust file: what they signed stays, and can still be taken away with `revoked`. Only a key whose
    validity had not begun leaves it, and so does an organisation that had no other.

    Raises:
        TrustError: No organisation has one of the keys.
    """
    for key_id in key_ids:
        _grant(trust, key_id)
    kept = ((found, tuple(_still(found, key_ids, at))) for found in trust.organisations)
    return {"organisations": tuple(found.model_copy(update={"keys": keys}) for found, keys in kept if keys)}


def _still(organisation: Organisation, key_ids: Collection[str], at: datetime) -> Iterator[KeyGrant]:
    for grant in organisation.keys:
        if grant.public.key_id not in key_ids:
            yield grant
        elif grant.valid_from < at:
            until = at if grant.valid_until is None else min(at, grant.valid_until)
            yield grant.model_copy(update={"valid_until": until})


def first_version(audience: str, officers: Officers, issued_at: datetime, expires_at: datetime, **fields: Any) -> Trust:
    """Return version 1 of a network's trust file; further fields as in `Trust`.

    Raises:
        EnvelopeError: The fields do not make one.
    """
    stated = {"audience": audience, "officers": officers, "issued_at": issued_at, "expires_at": expires_at}
    return make_trust({"version": 1, "thresholds": Thresholds(), **stated, **fields})


def _organisation(trust: Trust, organisation_id: str) -> Organisation:
    found = trust.organisation(organisation_id)
    if found is None:
        raise _refused("MS-EXC-052")
    return found


def _grant(trust: Trust, key_id: str) -> tuple[Organisation, KeyGrant]:
    found = next((pair for pair in trust.grants() if pair[1].public.key_id == key_id), None)
    if found is None:
        raise _refused("MS-EXC-051")
    return found


def _replaced(organisation: Organisation, old: KeyGrant, new: KeyGrant) -> tuple[KeyGrant, ...]:
    return tuple(new if grant == old else grant for grant in organisation.keys)


def _refused(code: str, found: str | None = None) -> TrustError:
    return TrustError("This trust file cannot be accepted.", (PROBLEMS[code].at(_WHERE, found=found),))

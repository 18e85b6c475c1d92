"""How a trust file is told: what it says, what changes, and how far a proposal is. Hosts are defanged for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from merchantscreen.cli.terminal import show_lines
from merchantscreen.outputs.text import defanged
from merchantscreen.referrals.trust import KeyGrant, Organisation, Trust
from merchantscreen.referrals.trustchain import Gathered, Signing, TrustState
from merchantscreen.referrals.wire import written

SHORT: Final = 16
"""Digits of a key id shown to people; the whole id is in --json."""
_SCOPE: Final = ("name", "kind", "events", "jurisdictions", "suffixes", "daily_limit")


def show_safely(lines: Iterable[str]) -> None:
    """Print lines in which a host may stand."""
    show_lines(map(defanged, lines))


def key_state(grant: KeyGrant, at: datetime) -> str:
    """Say in a word whether a key counts: `current`, `revoked`, `ended` or `later`."""
    if grant.revoked_from is not None and grant.revoked_from <= at:
        return "revoked"
    if grant.counts_at(at):
        return "current"
    return "later" if at < grant.valid_from else "ended"


# --------------------------------------------------------------------------- one version


def trust_facts(state: TrustState, at: datetime) -> dict[str, Any]:
    """State the current version for a program, with the ids of all keys and what each is worth now."""
    trust = state.current
    stated = trust.model_dump(mode="json", by_alias=True)
    for told, organisation in zip(stated["organisations"], trust.organisations, strict=True):
        for line, grant in zip(told["keys"], organisation.keys, strict=True):
            line |= {"key_id": grant.public.key_id, "state": key_state(grant, at)}
    for line, officer in zip(stated["officers"]["keys"], trust.officers.keys, strict=True):
        line["key_id"] = officer.public.key_id
    chain = [{"version": one.trust.version, "sha256": one.digest} for one in state.versions]
    return {**stated, "sha256": state.digest, "is_expired": trust.is_expired(at), "chain": chain}


def trust_lines(state: TrustState, at: datetime) -> Iterator[str]:
    """Tell the current version."""
    trust = state.current
    over = ", EXPIRED: nothing signed is taken in" if trust.is_expired(at) else ""
    yield f"Trust file of {trust.audience}, version {trust.version}"
    yield f"  sha256     {state.digest}"
    yield f"  issued     {written(trust.issued_at)}"
    yield f"  expires    {written(trust.expires_at)}{over}"
    yield f"  thresholds {_thresholds(trust)}"
    yield f"Officers, {trust.officers.threshold} of {len(trust.officers.keys)} have to sign"
    for officer in trust.officers.keys:
        yield f"  {officer.public.key_id[:SHORT]}  {officer.name}"
    for organisation in trust.organisations:
        yield f"{organisation.id}: {organisation.name} ({organisation.kind})"
        yield f"  may state  {_scope_text(organisation)}"
        for grant in organisation.keys:
            yield f"  {grant.public.key_id[:SHORT]}  {key_state(grant, at):<8} {_validity(grant)}"
    if not trust.organisations:
        yield "No organisation yet."
    yield f"Protected hosts: {', '.join(trust.protected_hosts) or 'none'}"


def _thresholds(trust: Trust) -> str:
    asked = trust.thresholds
    return f"confirmed {asked.confirmed}, protected host {asked.protected_host}, retracted {asked.retracted}"


def _validity(grant: KeyGrant) -> str:
    until = f" until {written(grant.valid_until)}" if grant.valid_until is not None else ""
    revoked = f", revoked from {written(grant.revoked_from)} ({grant.reason})" if grant.revoked_from else ""
    return f"from {written(grant.valid_from)}{until}{revoked}"


def _scope_text(organisation: Organisation) -> str:
    parts = [", ".join(organisation.events) or "nothing but heartbeats and retractions"]
    if organisation.jurisdictions is not None:
        parts.append(f"countries {', '.join(organisation.jurisdictions) or 'none'}")
    if organisation.suffixes is not None:
        parts.append(f"suffixes {', '.join(organisation.suffixes) or 'none'}")
    if organisation.daily_limit is not None:
        parts.append(f"at most {organisation.daily_limit:,} a day")
    return "; ".join(parts)


# --------------------------------------------------------------------------- from one version to the next


def differences(old: Trust | None, new: Trust) -> list[str]:
    """Tell everything that a version changes, one line each."""
    lines = [*_officer_changes(old, new), *_organisation_changes(old, new), *_key_changes(old, new)]
    before, after = set(old.protected_hosts if old else ()), set(new.protected_hosts)
    lines += [f"+ protected host {host}" for host in sorted(after - before)]
    lines += [f"- protected host {host}" for host in sorted(before - after)]
    if old is None or old.thresholds != new.thresholds:
        lines.append(f"~ thresholds: {_thresholds(new)}")
    if old is None or old.expires_at != new.expires_at:
        lines.append(f"~ expires {written(new.expires_at)}")
    return lines


def _officer_changes(old: Trust | None, new: Trust) -> Iterator[str]:
    before = {officer.name: officer.public for officer in old.officers.keys} if old is not None else {}
    after = {officer.name: officer.public for officer in new.officers.keys}
    for name, key in after.items():
        if before.get(name) != key:
            yield f"{'~' if name in before else '+'} officer {name}, key {key.key_id[:SHORT]}"
    yield from (f"- officer {name}" for name in before if name not in after)
    if old is None or old.officers.threshold != new.officers.threshold:
        yield f"~ {new.officers.threshold} of {len(after)} officers have to sign"


def _organisation_changes(old: Trust | None, new: Trust) -> Iterator[str]:
    for organisation in new.organisations:
        before = old.organisation(organisation.id) if old is not None else None
        if before is None or any(getattr(before, name) != getattr(organisation, name) for name in _SCOPE):
            sign, about = "+" if before is None else "~", f"{organisation.name} ({organisation.kind})"
            yield f"{sign} organisation {organisation.id}: {about}; {_scope_text(organisation)}"
    gone = (found.id for found in (old.organisations if old is not None else ()) if new.organisation(found.id) is None)
    yield from (f"- organisation {name}" for name in gone)


def _key_changes(old: Trust | None, new: Trust) -> Iterator[str]:
    before = {grant.public: (found.id, grant) for found, grant in old.grants()} if old is not None else {}
    after = {grant.public: (found.id, grant) for found, grant in new.grants()}
    for key, (owner, grant) in after.items():
        if before.get(key) != (owner, grant):
            sign = "~" if key in before else "+"
            yield f"{sign} key {key.key_id[:SHORT]} of {owner}: {_validity(grant)}"
    yield from (f"- key {key.key_id[:SHORT]} of {owner}" for key, (owner, _) in before.items() if key not in after)


# --------------------------------------------------------------------------- proposals


def progress_facts(gathered: Gathered) -> dict[str, Any]:
    """State how far a proposal is for a program."""
    return {
        "version": gathered.trust.version,
        "expires_at": written(gathered.trust.expires_at),
        "is_complete": gathered.is_complete,
        "signatures": {"current_officers": len(gathered.old.signed), "its_officers": len(gathered.new.signed)},
        "needed": {"current_officers": gathered.old.needed, "its_officers": gathered.new.needed},
        "signed": sorted({*gathered.old.signed, *gathered.new.signed}),
        "not_signed": list(gathered.missing),
    }


def progress_line(gathered: Gathered) -> str:
    """Tell how far a proposal is."""
    counts = f"{len(gathered.new.signed)} of {gathered.new.needed} signatures of its officers"
    if gathered.old.needed:
        counts += f", {len(gathered.old.signed)} of {gathered.old.needed} of the current ones"
    who = f"; not signed: {', '.join(gathered.missing)}" if gathered.missing else ""
    return f"{'Complete' if gathered.is_complete else 'Not complete'}: {counts}{who}."


def signing_words(signing: Signing) -> str:
    """Tell who signed, who did not, and how many more have to."""
    signed, missing = ", ".join(signing.signed) or "nobody", ", ".join(signing.missing) or "nobody"
    return f"signed: {signed}; not signed: {missing}; {signing.lacking} more of {signing.needed} needed"

"""Reads STIX 2.1 indicators about domain names: a bundle, or one object.

Rules kept here:
* an indicator refers a site; it never confirms one, unless the caller says so and our own
  labels date the confirmation;
* patterns are read as `pattern` takes them; several names become one referral each, under the
  id with a suffix made from the name, so that the same name keeps the same id;
* `revoked` beats every date, in whichever version it stands, and becomes a retraction;
* of several versions of an object the latest holds;
* the id is the one external reference that names the hotline, or else the only one there
  is; where there is none, or several indicators share it, it is the id of the object;
* of several TLP markings the strictest holds;
* every object and every field that is not used is counted by type or name.

Labels that begin with `merchantscreen:` carry what STIX has no word for; `outputs.stix` writes them.
Source: STIX 2.1; TLP 2.0 marking definitions of OASIS; pitfalls after cti-stix2 #306 and OpenCTI #6836.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from merchantscreen.domains import DomainKey, domain_key
from merchantscreen.referrals.events import REFERENCE_PATTERN
from merchantscreen.referrals.importers import strictjson
from merchantscreen.referrals.importers.model import Draft, Imported, NoteKind, Options, Tally
from merchantscreen.referrals.importers.pattern import PatternError, names_in
from merchantscreen.vocabulary import ReferralEventKind, Tlp

LABEL_PREFIX: Final = "merchantscreen:"
LABEL_FIELDS: Final = (
    "match_scope", "domain_dedicated", "site_type", "commerciality", "payment_methods", "classification",
    "classification_country", "legal_basis", "status", "received_at", "confirmed_at", "observed_at",
)  # fmt: skip
"""Fields that our labels may carry, as `merchantscreen:site_type=website`; `payment_methods` once per method."""

TLP_MARKINGS: Final[Mapping[Tlp, str]] = {
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
}
"""Marking definitions of TLP 2.0, strictest first. Source: OASIS, STIX extension for TLP 2.0."""
_TLP_1: Final[Mapping[str, Tlp]] = {
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
}
"""Those of TLP 1, which STIX 2.1 itself defines. Source: STIX 2.1, 7.2.1.4."""
_TLP_OF: Final[Mapping[str, Tlp]] = {**{marking: tlp for tlp, marking in TLP_MARKINGS.items()}, **_TLP_1}

_OBJECT_TYPES: Final = frozenset(
    """attack-pattern campaign course-of-action grouping identity incident infrastructure intrusion-set location
    malware malware-analysis note observed-data opinion report threat-actor tool vulnerability relationship sighting
    marking-definition language-content extension-definition artifact autonomous-system directory domain-name
    email-addr email-message file ipv4-addr ipv6-addr mac-addr mutex network-traffic process software url
    user-account windows-registry-key x509-certificate bundle""".split()
)
_READ: Final = frozenset(
    """type spec_version id created modified revoked pattern pattern_type pattern_version valid_from valid_until
    confidence object_marking_refs granular_markings labels external_references""".split()
)
_LEFT_BEHIND: Final = frozenset(
    "name description indicator_types kill_chain_phases created_by_ref lang extensions".split()
)
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_INDICATOR_ID: Final = re.compile(rf"indicator--{_UUID}")
_TAXONOMIES: Final = frozenset({"cve", "capec", "cwe", "mitre-attack"})
"""Sources of external references that name a kind of thing, not a case."""
_FRACTION: Final = re.compile(r"(\.[0-9]{6})[0-9]+(?=[Zz]$)")
"""STIX allows any precision; events have microseconds."""
_MOST_LABELS: Final = 200


def read_stix(data: bytes, file: str, options: Options) -> Imported:
    """Read a bundle or a single object; what is counted as read are its indicators.

    Raises:
        InputError: A payload, no indicator, or a file that cannot be used as a whole.
    """
    objects = _objects(strictjson.load(data, file), file)
    tally = Tally(file, options)
    groups: dict[str, list[_Version]] = {}
    for place, found in enumerate(objects, start=1):
        draft = Draft(place)
        if _is_indicator(found, draft, tally):
            groups.setdefault(found["id"], []).append(_Version(place, found))
        elif draft.issues:
            tally.add([draft])
    latest = [_latest(versions, tally) for versions in groups.values()]
    shared = _shared_ids((version.found for version in latest if not version.is_doubtful), options.hotline)
    in_order = sorted(latest, key=lambda version: version.place)
    records = [_drafts(version, shared, options) for version in in_order]
    strictjson.check_count(tally.read_count + sum(map(len, records)), file)
    for drafts in records:
        tally.add(drafts)
    return tally.imported()


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of an indicator: its place, its fields, whether any version is revoked or two disagree."""

    place: int
    found: Mapping[str, Any]
    is_revoked: bool = False
    is_doubtful: bool = False


def _objects(value: Any, file: str) -> list[Any]:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise strictjson.refuse(file, "MS-IMP-012")
    if value["type"] != "bundle":
        return [value]
    objects = value.get("objects", [])
    if not isinstance(objects, list):
        raise strictjson.refuse(file, "MS-IMP-012", column="objects")
    strictjson.check_count(len(objects), file)
    return objects


def _is_indicator(found: Any, draft: Draft, tally: Tally) -> bool:
    """Tell whether an object is one to be read; if not, it is counted, or the draft says why it is refused."""
    kind = found.get("type") if isinstance(found, dict) else None
    if not isinstance(kind, str):
        draft.refuse("MS-IMP-012", "type")
    elif kind != "indicator":
        tally.note(NoteKind.OBJECT_UNUSED, kind if kind in _OBJECT_TYPES else "another type")
    elif found.get("spec_version") != "2.1":
        draft.refuse("MS-IMP-030", "spec_version")
    elif not isinstance(found.get("id"), str) or not _INDICATOR_ID.fullmatch(found["id"]):
        draft.refuse("MS-IMP-029", "id")
    else:
        return True
    return False


def _latest(versions: list[_Version], tally: Tally) -> _Version:
    """Choose the version that holds; a revocation in any of them cannot be taken back."""
    moments = [_sortable(version.found.get("modified")) for version in versions]
    last = max(moments)
    newest = [version for version, moment in zip(versions, moments, strict=True) if moment == last]
    differing = any(version.found != newest[0].found for version in newest)
    tally.notes[NoteKind.REPEATED, None] += 0 if differing else len(newest) - 1
    tally.notes[NoteKind.SUPERSEDED, None] += len(versions) - len(newest)
    is_revoked = any(version.found.get("revoked") is True for version in versions)
    return _Version(newest[0].place, newest[0].found, is_revoked, is_doubtful=differing and not is_revoked)


def _sortable(moment: Any) -> str:
    """Write a moment so that it sorts with others; what is no moment comes first and is refused later."""
    text = moment.rstrip("Zz") if isinstance(moment, str) else ""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<12.12}"


# --------------------------------------------------------------------------- one indicator


def _drafts(version: _Version, shared: frozenset[str], options: Options) -> list[Draft]:
    """Turn an indicator into one draft per domain name, or into one that says why not."""
    draft, found = Draft(version.place), version.found
    if version.is_doubtful:
        draft.refuse("MS-IMP-036", "modified")
        return [draft]
    _note_fields(found, draft)
    draft.fields["referral_id"] = _referral_id(found, shared, options.hotline, draft)
    draft.fields["issued_at"] = _moment(found, "modified", draft)
    names = _names(found, draft, is_revoked=version.is_revoked)
    if version.is_revoked:
        draft.fields["event"] = ReferralEventKind.RETRACTED.value
    else:
        draft.fields |= _facts(found, draft)
    return _split(draft, names, is_revoked=version.is_revoked)


def _names(found: Mapping[str, Any], draft: Draft, *, is_revoked: bool) -> tuple[str, ...]:
    """Read the pattern; a retraction holds even if the pattern cannot be read."""
    pattern, language = found.get("pattern"), found.get("pattern_type")
    try:
        if language == "stix" and isinstance(pattern, str):
            return names_in(pattern)
        code = "MS-IMP-031" if isinstance(language, str) and language != "stix" else "MS-IMP-032"
    except PatternError as error:
        code = error.code
    if not is_revoked:
        draft.refuse(code, "pattern_type" if code == "MS-IMP-031" else "pattern")
    return ()


def _facts(found: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "received_at": _moment(found, "created", draft),
        "confidence": found.get("confidence"),
        "tlp": _tlp(found, draft),
    }
    facts |= _validity(found, draft)
    return facts | _labelled(found.get("labels"), draft)


def _validity(found: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    begins = _moment(found, "valid_from", draft)
    ends = _moment(found, "valid_until", draft) if found.get("valid_until") is not None else None
    if ends is not None and _sortable(begins) == _sortable(ends):
        draft.note(NoteKind.VALIDITY_EMPTY)
        return {"valid_until": ends}
    return {"valid_from": begins, "valid_until": ends}


def _moment(found: Mapping[str, Any], name: str, draft: Draft) -> Any:
    """Return a moment as text, which the event checks under its own name for it."""
    value = found.get(name)
    if value is None:
        draft.refuse("MS-IMP-027", name)
    elif not isinstance(value, str) or not value.endswith(("Z", "z")):
        draft.refuse("MS-IMP-029", name)
    else:
        return _FRACTION.sub(r"\1", value)
    return None


def _split(draft: Draft, names: Iterable[str], *, is_revoked: bool) -> list[Draft]:
    hosts = dict.fromkeys(_host(name) for name in names)
    if len(hosts) < 2 or draft.issues:
        named = {} if is_revoked else {"domain": next(iter(hosts), None)}
        draft.fields |= named
        return [draft]
    draft.note(NoteKind.SPLIT)
    parts = []
    for host in hosts:
        suffix = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        named = {"referral_id": f"{draft.fields['referral_id']}.{suffix}"}
        parts.append(Draft(draft.place, draft.fields | named | ({} if is_revoked else {"domain": host})))
    parts[0].notes = draft.notes
    return parts


def _host(name: str) -> str:
    """Bring two spellings of one host together; what is no bare host is left for the event to refuse."""
    key = domain_key(name)
    return key.host if isinstance(key, DomainKey) and not key.stripped - {"trailing_dot"} else name


# --------------------------------------------------------------------------- ids, markings, labels


def _external_id(found: Mapping[str, Any], hotline: str) -> str | None:
    ids = list(dict.fromkeys(_named_ids(found.get("external_references"))))
    own = [external for source, external in ids if source == hotline]
    every = own or [external for _, external in ids]
    return every[0] if len(set(every)) == 1 else None


def _named_ids(references: Any) -> Iterator[tuple[str, str]]:
    for reference in references if isinstance(references, list) else []:
        if isinstance(reference, dict):
            source, external = reference.get("source_name"), reference.get("external_id")
            if isinstance(source, str) and isinstance(external, str) and source not in _TAXONOMIES:
                yield source, external


def _shared_ids(indicators: Iterable[Mapping[str, Any]], hotline: str) -> frozenset[str]:
    counts = Counter(_external_id(found, hotline) for found in indicators)
    return frozenset(external for external, count in counts.items() if external is not None and count > 1)


def _referral_id(found: Mapping[str, Any], shared: frozenset[str], hotline: str, draft: Draft) -> str:
    external = _external_id(found, hotline)
    own: str = found["id"]
    if external is None:
        return own
    if external in shared or not re.fullmatch(REFERENCE_PATTERN, external):
        draft.note(NoteKind.ID_NOT_UNIQUE if external in shared else NoteKind.FIELD_STRIPPED, "external_id")
        return own
    return external


def _tlp(found: Mapping[str, Any], draft: Draft) -> str | None:
    refs = found.get("object_marking_refs")
    markings = list(refs) if isinstance(refs, list) else []
    granular = found.get("granular_markings")
    parts = [part for part in granular if isinstance(part, dict)] if isinstance(granular, list) else []
    markings += [part["marking_ref"] for part in parts if "marking_ref" in part]
    known = {_TLP_OF[marking] for marking in markings if isinstance(marking, str) and marking in _TLP_OF}
    for marking in markings:
        if not isinstance(marking, str) or marking not in _TLP_OF:
            draft.note(NoteKind.MARKING_UNKNOWN)
    return next((tlp.value for tlp in TLP_MARKINGS if tlp in known), None)


def _labelled(labels: Any, draft: Draft) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for label in labels[:_MOST_LABELS] if isinstance(labels, list) else []:
        name, _, value = label.removeprefix(LABEL_PREFIX).partition("=") if isinstance(label, str) else ("", "", "")
        if not isinstance(label, str) or not label.startswith(LABEL_PREFIX) or name not in LABEL_FIELDS:
            draft.note(NoteKind.FIELD_STRIPPED, "labels")
        elif name == "payment_methods":
            said[name] = [*said.get(name, []), value]
        elif said.setdefault(name, value) != value:
            draft.refuse("MS-IMP-029", "labels")
    return said


def _note_fields(found: Mapping[str, Any], draft: Draft) -> None:
    for name in found.keys() - _READ:
        draft.note(NoteKind.FIELD_STRIPPED, name if name in _LEFT_BEHIND else "another field")
    references = found.get("external_references")
    for reference in references if isinstance(references, list) else []:
        if isinstance(reference, dict) and reference.keys() - {"source_name", "external_id"}:
            draft.note(NoteKind.FIELD_STRIPPED, "external_references")

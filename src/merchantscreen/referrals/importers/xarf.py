"""Reads reports in the XARF version 4 form, and distrusts them where the form invites it.

Rules kept here:
* any payload, of whatever kind, refuses the whole file before any of it is kept;
* of a report only what `_Report` lists is read; its address is cut down to the host, and the
  cut is counted;
* the host comes from `url`, because the form's own pattern for `domain` refuses names in
  A-label form; a domain that is not the url's host or above it refuses the report;
* a report about persons is out of scope, a report tagged as a test is none;
* a classification other than `baseline` describes content: it is not kept, and the report is
  entered as `ignore`, which never confirms.

Files: one report, a list of reports, or JSON lines (`.jsonl`).
Source: XARF specification 4.2; the defects found in its published schemas (peers study, 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from merchantscreen import domains
from merchantscreen.referrals.events import shown_name
from merchantscreen.referrals.importers import strictjson
from merchantscreen.referrals.importers.model import Draft, Imported, NoteKind, Options, Tally
from merchantscreen.referrals.importers.strictjson import Broken, WithContent
from merchantscreen.vocabulary import Classification, ReferralStatus

CATEGORY: Final = "content"
REFERS_SITES: Final = "csam"
ABOUT_PERSONS: Final = "csem"
"""The form's own constants, written here and nowhere else: the category, the report type that is read, and the
one that is out of scope."""

_ABOUT_A_PERSON: Final = strictjson.spelt("victim", "perpetrator", "offender", begins=True)
_TEST_TAG: Final = "lifecycle:test"
_CLASSIFICATIONS: Final[Mapping[str, Classification]] = {"baseline": Classification.BASELINE}
"""The others of the form grade what is shown, and have no counterpart in law."""
_LEFT_BEHIND: Final = frozenset(
    """reporter sender source_identifier source_port evidence_source evidence description legacy_version _internal
    detection_method media_type hash_values ncmec_report_id account_suspended registrar nameservers dns_records
    screenshot_url verification_method attack_vector target_brand hosting_provider asn country_code ssl_certificate
    whois""".split()
)
"""Fields of the form that are never read, by name, so that their number can be told."""
_ANY_SCHEME: Final = re.compile(r"^h(?:xx|tt|\*\*)p(s?)(?:\[:\]|:)(?=[/\\]{2})", re.IGNORECASE)
_DEFANGED: Final[Mapping[str, str]] = {"[.]": ".", "(.)": ".", "{.}": ".", "[dot]": ".", "(dot)": ".", "[:]": ":"}


class _Report(BaseModel):
    """The part of a report that is read; everything else is left behind."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    report_id: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    timestamp: str
    url: str | None = None
    domain: str | None = None
    classification: str
    verified_at: str | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    content_removed: bool | None = None
    tags: tuple[str, ...] | None = None


_READ: Final = frozenset(_Report.model_fields) | {"xarf_version", "category", "type"}


def read_xarf(data: bytes, file: str, options: Options) -> Imported:
    """Read a file of reports.

    Raises:
        InputError: A payload, or a file that cannot be used as a whole.
    """
    tally = Tally(file, options)
    records = list(_records(data, file))
    strictjson.check_count(len(records), file)
    for line, record in records:
        tally.add([_draft(line, record)])
    return tally.imported()


def refang(text: str) -> str:
    """Write a defanged address as browsers read it: `hxxp://shop[.]example` becomes `http://shop.example`."""
    text = _ANY_SCHEME.sub(r"http\1:", text.strip(" \t"))
    for defanged, sign in _DEFANGED.items():
        text = text.replace(defanged, sign)
    return text


def _records(data: bytes, file: str) -> Iterator[tuple[int, Any]]:
    if not file.lower().endswith(".jsonl"):
        value = strictjson.load(data, file)
        yield from enumerate(value if isinstance(value, list) else [value], start=1)
        return
    for number, line in enumerate(strictjson.decode(data, file).split("\n"), start=1):
        if not line.strip(" \t\r"):
            continue
        record = strictjson.parse(line)
        if isinstance(record, WithContent):
            raise strictjson.content_refused(record, file, number)
        yield number, record


def _draft(place: int, record: Any) -> Draft:
    draft = Draft(place)
    if isinstance(record, Broken):
        draft.refuse(record.code, record.column)
    elif not isinstance(record, dict):
        draft.refuse("MS-IMP-012")
    else:
        _judge(record, draft)
        if not draft.issues:
            _read(record, draft)
    return draft


def _judge(record: Mapping[str, Any], draft: Draft) -> None:
    """Refuse what is not a report of the one kind that is read, before anything in it is looked at."""
    version = record.get("xarf_version")
    kind = record.get("category"), record.get("type")
    if not isinstance(version, str) or not re.fullmatch(r"4\.[0-9]{1,4}\.[0-9]{1,4}", version):
        draft.refuse("MS-IMP-020", "xarf_version")
    elif kind == (CATEGORY, ABOUT_PERSONS):
        draft.refuse("MS-IMP-022", "type")
    elif kind != (CATEGORY, REFERS_SITES):
        draft.refuse("MS-IMP-021", "type" if kind[0] == CATEGORY else "category")
    for name in dict.fromkeys(_person_fields(record)):
        draft.refuse("MS-IMP-023", name)
    tags = record.get("tags")
    if isinstance(tags, list) and _TEST_TAG in tags:
        draft.refuse("MS-IMP-028", "tags")


def _person_fields(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if _ABOUT_A_PERSON.match(name):
                yield shown_name(name)
            yield from _person_fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _person_fields(inner)


def _read(record: Mapping[str, Any], draft: Draft) -> None:
    try:
        report = _Report.model_validate(_as_json_has_it(record))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            missing = detail["type"] == "missing"
            draft.refuse("MS-IMP-027" if missing else "MS-IMP-029", str(detail["loc"][0]))
        return
    for name in record.keys() - _READ:
        draft.note(NoteKind.FIELD_STRIPPED, name if name in _LEFT_BEHIND else "another field")
    draft.fields = {
        "referral_id": report.report_id.lower(),
        "issued_at": report.timestamp,
        "received_at": report.timestamp,
        "domain": _host(report, draft),
        "classification": _classification(report, draft),
        "observed_at": report.verified_at,
        "confirmed_at": report.verified_at,
        "confidence": None if report.confidence is None else int(report.confidence * 100 + 0.5),
        "status": ReferralStatus.REMOVED.value if report.content_removed else None,
    }


def _as_json_has_it(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give a list as the tuple that strict validation wants; whole numbers pass as fractions by themselves."""
    tags = record.get("tags")
    return {**record, "tags": tuple(tags)} if isinstance(tags, list) else dict(record)


def _classification(report: _Report, draft: Draft) -> str | None:
    known = _CLASSIFICATIONS.get(report.classification)
    if known is None:
        draft.note(NoteKind.CLASSIFICATION_UNMAPPED)
        return Classification.IGNORE.value
    return known.value


def _host(report: _Report, draft: Draft) -> str | None:
    field = "domain" if report.url is None else "url"
    text = report.domain if report.url is None else report.url
    if text is None:
        draft.refuse("MS-IMP-024", "url")
        return None
    key = domains.domain_key(refang(text))
    if isinstance(key, domains.DomainRefusal):
        draft.refuse("MS-IMP-025", field, key.explanation)
        return None
    if key.stripped - {"trailing_dot"}:
        draft.note(NoteKind.ADDRESS_STRIPPED, field)
    if report.url is not None and report.domain is not None:
        above = domains.domain_key(refang(report.domain))
        if isinstance(above, domains.DomainKey) and not f".{key.host}".endswith(f".{above.host}"):
            draft.refuse("MS-IMP-026", "domain")
    return key.host

"""The investigation file of one account: a folder that an acquirer can look into it with.

Rules kept here:
* a view of the bundle: every value is in the run named in its manifest, none is computed here;
* whole or not at all: private, synced, renamed last; never over something that exists;
* for people and for spreadsheets: domains are defanged everywhere, cells cannot become formulas;
* other accounts appear by their account id alone, and only where they share what links this one; the file says so,
  and says how many of them belong to other acquirers;
* what an investigation needs and the run does not hold is listed, and left to a person;
* an unapproved policy is said first.

Source: domain.md 1 (investigation file); rows 7, 9 and 17 of the threat model. The page for printing comes with the
report.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import rfc8785

from merchantscreen.bundle import Bundle, written_moment
from merchantscreen.errors import CannotCreateError, FileAccessError
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.csvfile import csv_lines
from merchantscreen.outputs.explanation import Case, CaseFrames, case_of, explain
from merchantscreen.outputs.files import sync_folder, write_new
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted, defanged, visible
from merchantscreen.paths import EvidencePath, strongest_paths
from merchantscreen.tables import AccountLinks, Contributions, FlaggedDomains, Ledger, RuleResults, schema_of

SCHEMA: Final = "merchantscreen-case/1"
DECISION: Final = "whether the acquirer looks into this account; a person decides, and nothing follows by itself"
"""What a case file is meant for unless the caller says otherwise."""
NOT_HELD: Final = (
    "legal name", "postal address", "phone", "owners and directors", "financials", "all declared websites",
    "listing results on owners and directors", "price points", "issuer countries", "explanation of the account holder",
    "proof of delivery", "action taken, by whom and when",
)  # fmt: skip
"""What an investigation file usually holds and a run does not. Source: domain.md 1."""
_HOSTS: Final = frozenset({"counterpart", "seen_as", "domain", "registrable", "label", "value"})
"""Columns in which a domain may stand."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """The rows of one account, as frames of their tables."""

    evidence: pl.DataFrame
    contributions: pl.DataFrame
    rules: pl.DataFrame
    links: pl.DataFrame
    domains: pl.DataFrame


def case_files(bundle: Bundle, account_id: str, decision: str = DECISION) -> dict[str, bytes]:
    """Put the investigation file of an account together.

    Args:
        bundle: The run.
        account_id: An account of its ranking.
        decision: For which decision the file is meant.

    Returns:
        Content by file name; `manifest.json` holds the sha256 of all others and of the run's manifest.

    Raises:
        IntegrityError: The account's points do not add up.
    """
    row = bundle.ranking.row(by_predicate=pl.col("account_id") == account_id, named=True)
    frames = CaseFrames(bundle.ledger, bundle.contributions, bundle.links, bundle.rules, bundle.shadow)
    paths = strongest_paths(bundle.ledger, bundle.contributions, account_id)
    case = case_of(row, frames, paths, bundle.manifest.model)
    tables = _tables(bundle, case)
    head = _head(bundle, case, tables, decision)
    files = {
        "summary.txt": _summary(bundle, case, head),
        "evidence.csv": b"".join(csv_lines(tables.evidence)),
        "contributions.csv": b"".join(csv_lines(tables.contributions)),
        "rules.csv": b"".join(csv_lines(tables.rules)),
        "links.csv": b"".join(csv_lines(tables.links)),
        "domains.csv": b"".join(csv_lines(tables.domains)),
        "case.json": _case_json(case, tables, head),
    }
    listed = {
        name: {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    return files | {"manifest.json": rfc8785.dumps(head | {"schema": SCHEMA, "files": listed})}


def write_case_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a new private folder, whole or not at all.

    Raises:
        CannotCreateError: The folder exists already, or cannot be made.
        FileAccessError: Writing failed underway; nothing is left.
    """
    name = target.name
    _refuse_taken(target)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.partial-", dir=target.parent))
    except OSError as error:
        raise CannotCreateError("no folder for the case", (PROBLEMS["MS-RUN-006"].at(name),)) from error
    try:
        for file, data in files.items():
            write_new(partial / file, [data])
        sync_folder(partial)
        _refuse_taken(target)  # a rename would silently replace an empty folder
        partial.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        found = f"writing failed ({error.strerror})"
        raise FileAccessError("no case file", (PROBLEMS["MS-RUN-007"].at(name, found=found),)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_whole(target: Path, data: bytes) -> None:
    """Write one private file, whole or not at all, never over something that exists.

    Raises:
        CannotCreateError: There is something of that name already, or no folder for it.
        FileAccessError: Writing failed underway; nothing is left.
    """
    _refuse_taken(target)
    if not target.parent.is_dir():
        problem = PROBLEMS["MS-RUN-006"].at(target.name, found="a folder that is not there")
        raise CannotCreateError("no folder for the file", (problem,))
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        write_new(partial, [data])
        _refuse_taken(target)
        partial.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        found = f"writing failed ({error.strerror})"
        raise FileAccessError("no export", (PROBLEMS["MS-RUN-007"].at(target.name, found=found),)) from error
    finally:
        partial.unlink(missing_ok=True)


def _refuse_taken(target: Path) -> None:
    if os.path.lexists(target):
        found, expected = "something that exists already", "a new name; nothing is written over"
        problem = PROBLEMS["MS-RUN-005"].at(target.name, found=found, expected=expected)
        raise CannotCreateError("the name is taken", (problem,))


# --------------------------------------------------------------------------- the rows


def _tables(bundle: Bundle, case: Case) -> _Tables:
    name = case.account["account_id"]
    rules = pl.concat([bundle.rules, bundle.shadow]).filter(pl.col("account_id") == name)
    touched = {link["domain"] for link in case.links}
    referrals = set(case.account["referral_ids"])
    is_behind = (
        pl.col("domain").is_in(sorted(touched))
        | pl.col("referral_ids").list.eval(pl.element().is_in(sorted(referrals))).list.any()
    )
    return _Tables(
        evidence=_defanged(pl.DataFrame(case.items, schema=schema_of(Ledger))),
        contributions=_defanged(pl.DataFrame(case.terms, schema=schema_of(Contributions))),
        rules=rules.sort("status", "rule_id").select(*schema_of(RuleResults)),
        links=_defanged(pl.DataFrame(case.links, schema=schema_of(AccountLinks))),
        domains=_defanged(bundle.domains.filter(is_behind & ~pl.col("held")).select(*schema_of(FlaggedDomains))),
    )


def _defanged(frame: pl.DataFrame) -> pl.DataFrame:
    """Defang the columns that hold domains; where a column also holds other values, only rows of domains."""
    names = [name for name in frame.columns if name in _HOSTS]
    if "family" in frame.columns:
        is_site = (pl.col("family") == "link") | pl.col("kind").is_in(["website", "descriptor"])
    elif "value" in frame.columns:
        is_site = pl.col("kind").is_in(["website", "descriptor"])
    else:
        is_site = pl.lit(value=True)
    return frame.with_columns(
        pl.when(is_site)
        .then(pl.col(name).map_elements(defanged, return_dtype=pl.String))
        .otherwise(pl.col(name))
        .alias(name)
        for name in names
    )


# --------------------------------------------------------------------------- what is said of them


def _head(bundle: Bundle, case: Case, tables: _Tables, decision: str) -> dict[str, Any]:
    """State what the file is, what it rests on and what it must not be taken for."""
    manifest = bundle.manifest
    confirmed = tables.domains["first_confirmed_at"].drop_nulls()
    return {
        "account_id": case.account["account_id"],
        "meant_for": decision,
        "meaning": DISCLAIMER,
        "policy": {"digest": manifest.policy.digest, "approval": manifest.policy.approval.state.value},
        "warnings": [line.plain for line in banner(manifest)],
        "run": {
            "run_id": manifest.run_id,
            "as_of": manifest.as_of,
            "manifest_sha256": hashlib.sha256(manifest.canonical()).hexdigest(),
        },
        "referrals": {
            "referral_ids": case.account["referral_ids"],
            "hotlines": case.account["hotlines"],
            "assurance": case.account["assurance"],
            "first_confirmed_at": _plain(confirmed.min()),
        },
        "domains": "defanged: [.] stands for a dot",
        "other_accounts": _others(case, tables),
        "not_held": list(NOT_HELD),
    }


def _others(case: Case, tables: _Tables) -> str:
    """Say which other accounts the file names, and why it has to."""
    listed = {name for names in tables.evidence["contributors"] for name in names}
    on_paths = {step.value for path in case.paths for step in path.steps if step.what == "account"}
    others = (listed | on_paths | set(tables.contributions["account_id"])) - {case.account["account_id"]}
    if not others:
        return "none: this file names no other account"
    acquirer = _acquirer(case.account["account_id"])
    elsewhere = sum(_acquirer(name) != acquirer for name in others)
    return (
        f"{counted(len(others), 'other account')} named by account id alone, because the points rest on what they "
        f"share with this one; {elsewhere:,} at other acquirers. See whether the receiver may know them"
    )


def _acquirer(account_id: str) -> str:
    """Return the acquirer's part of an account id, which may follow the network and a colon."""
    return account_id.partition("/")[0].rpartition(":")[2]


def _summary(bundle: Bundle, case: Case, head: Mapping[str, Any]) -> bytes:
    lines = [
        *head["warnings"],
        f"Meant for: {visible(head['meant_for'], 4096)}",
        f"Run: {visible(bundle.manifest.run_id)} as of {bundle.manifest.as_of}",
        f"Manifest of the run: sha256 {head['run']['manifest_sha256']}",
        f"First confirmed: {head['referrals']['first_confirmed_at'] or 'not known'}",
        f"Other accounts: {head['other_accounts']}",
        "Domains: defanged, [.] stands for a dot",
        "",
        *(line.plain for line in explain(case)),
        "",
        "Not held by the run, for a person to add",
        *(f"  · {name}" for name in NOT_HELD),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _case_json(case: Case, tables: _Tables, head: Mapping[str, Any]) -> bytes:
    names = ("strongest_link", "dba_name")
    account = dict(case.account) | {name: defanged(case.account[name] or "") or None for name in names}
    stated = {
        **head,
        "schema": SCHEMA,
        "account": _json_row(account),
        "evidence": list(_json_rows(tables.evidence)),
        "contributions": list(_json_rows(tables.contributions)),
        "links": list(_json_rows(tables.links)),
        "domains_behind": list(_json_rows(tables.domains)),
        "rules": [row | {"observed": json.loads(row["observed"])} for row in _json_rows(tables.rules)],
        "paths": [_path(path) for path in case.paths],
    }
    return json.dumps(stated, ensure_ascii=True, indent=2, sort_keys=True).encode() + b"\n"


def _path(path: EvidencePath) -> dict[str, Any]:
    steps = [
        {
            "what": s.what,
            "value": defanged(s.value) if s.what == "domain" else s.value,
            "strength_nano": s.strength_nano,
        }
        for s in path.steps
    ]
    return {"strength": path.strength, "steps": steps}


def _json_rows(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    yield from (_json_row(row) for row in frame.iter_rows(named=True))


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return written_moment(value)
        case date():
            return value.isoformat()
        case _:
            return value

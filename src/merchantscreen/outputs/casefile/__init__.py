"""The investigation file of one account: a folder or archive that an acquirer can look into it with.

Rules kept here:
* a view of the bundle: every value is in the run named in its manifest, none is computed here;
* for people, for programs and for print: one page, one text, CSV, JSON, and a manifest with their digests;
* domains are defanged everywhere, cells cannot become formulas, the page has no script and loads nothing;
* other accounts appear by their account id alone, and only where they share what links this one; the file says so,
  and says how many of them belong to other acquirers;
* what an investigation needs and the run does not hold is listed as not known, and left to a person;
* an unapproved policy is said first; what was redacted is said.

Source: domain.md 1 (investigation file); rows 7, 8, 9 and 17 of the threat model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
import rfc8785

from merchantscreen.outputs.casefile.contents import NOT_HELD, Contents, contents_of, frames_of
from merchantscreen.outputs.casefile.page import page_of
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.csvfile import csv_lines
from merchantscreen.outputs.explanation import Case, CaseFrames, case_of, explain
from merchantscreen.outputs.manifest import written_row, written_value
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.redaction import acquirer_of
from merchantscreen.outputs.text import counted, defanged, visible
from merchantscreen.paths import strongest_paths
from merchantscreen.records import EvidencePath

__all__ = ["DECISION", "NOT_HELD", "SCHEMA", "case_files"]

SCHEMA: Final = "merchantscreen-case/2"
DECISION: Final = "whether the acquirer looks into this account; a person decides, and nothing follows by itself"
"""What a case file is meant for unless the caller says otherwise."""
_MOST: Final = 4096


def case_files(
    bundle: Bundle,
    account_id: str,
    decision: str = DECISION,
    *,
    withheld: Sequence[str] = (),
    history: pl.DataFrame | None = None,
) -> dict[str, bytes]:
    """Put the investigation file of an account together.

    Args:
        bundle: The run.
        account_id: An account of its ranking.
        decision: For which decision the file is meant.
        withheld: What was redacted in the bundle, a sentence each.
        history: tables.CaseHistory as known today; that of the run when None.

    Returns:
        Content by file name; `manifest.json` holds the sha256 of all others and of the run's manifest.

    Raises:
        IntegrityError: The account's points do not add up.
    """
    row = bundle.ranking.row(by_predicate=pl.col("account_id") == account_id, named=True)
    frames = CaseFrames(bundle.ledger, bundle.contributions, bundle.links, bundle.rules, bundle.shadow)
    paths = strongest_paths(bundle.ledger, bundle.contributions, account_id)
    case = case_of(row, frames, paths, bundle.manifest.model)
    contents = contents_of(bundle, case, history)
    head = _head(bundle, case, contents, decision, withheld)
    files = {
        "case.html": page_of(bundle, row, contents, head).encode(),
        "case.json": _case_json(case, contents, head),
        "summary.txt": _summary(case, head),
    } | {f"{name}.csv": b"".join(csv_lines(frame)) for name, frame in frames_of(contents).items()}
    listed = {
        name: {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    return files | {"manifest.json": rfc8785.dumps(head | {"schema": SCHEMA, "files": listed})}


# --------------------------------------------------------------------------- what is said of them


def _head(
    bundle: Bundle, case: Case, contents: Contents, decision: str, withheld: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    """State what the file is, what it rests on and what it must not be taken for."""
    manifest = bundle.manifest
    confirmed = contents.domains["first_confirmed_at"].drop_nulls()
    return {
        "account_id": case.account["account_id"],
        "meant_for": decision,
        "meaning": DISCLAIMER,
        "policy": {"digest": manifest.policy.digest, "approval": manifest.policy.approval.state.value},
        "warnings": [line.plain for line in banner(manifest)],
        "run": {
            "run_id": manifest.run_id,
            "as_of": manifest.as_of,
            "manifest_sha256": manifest.sha256,
        },
        "referrals": {
            "referral_ids": case.account["referral_ids"],
            "hotlines": case.account["hotlines"],
            "assurance": case.account["assurance"],
            "first_confirmed_at": written_value(confirmed.min()),
        },
        "domains": "defanged: [.] stands for a dot",
        "other_accounts": _others(case, contents),
        "redacted": list(withheld),
        "not_held": list(NOT_HELD),
    }


def _others(case: Case, contents: Contents) -> str:
    """Say which other accounts the file names, and why it has to."""
    listed = {name for names in contents.evidence["contributors"] for name in names}
    on_paths = {step.value for path in case.paths for step in path.steps if step.what == "account"}
    others = (listed | on_paths | set(contents.contributions["account_id"])) - {case.account["account_id"]}
    if not others:
        return "none: this file names no other account"
    acquirer = acquirer_of(case.account["account_id"])
    elsewhere = sum(acquirer_of(name) != acquirer for name in others)
    return (
        f"{counted(len(others), 'other account')} named by account id alone, because the points rest on what they "
        f"share with this one; {elsewhere:,} at other acquirers. See whether the receiver may know them"
    )


def _summary(case: Case, head: Mapping[str, Any]) -> bytes:
    lines = [
        *head["warnings"],
        f"Meant for: {visible(head['meant_for'], _MOST)}",
        f"Run: {visible(head['run']['run_id'])} as of {head['run']['as_of']}",
        f"Manifest of the run: sha256 {head['run']['manifest_sha256']}",
        f"First confirmed: {head['referrals']['first_confirmed_at'] or 'not known'}",
        f"Other accounts: {head['other_accounts']}",
        "Domains: defanged, [.] stands for a dot",
        *(f"Redacted: {line}" for line in head["redacted"]),
        "",
        *(line.plain for line in explain(case)),
        "",
        "Not held by the run, for a person to add",
        *(f"  · {name}" for name in NOT_HELD),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _case_json(case: Case, contents: Contents, head: Mapping[str, Any]) -> bytes:
    names = ("strongest_link", "dba_name")
    account = dict(case.account) | {name: defanged(case.account[name] or "") or None for name in names}
    rows = {name: _rows(frame) for name, frame in frames_of(contents).items()}
    stated = {
        **head,
        "schema": SCHEMA,
        "account": written_row(account),
        "record": dict(contents.record),
        **rows,
        "domains": head["domains"],
        "domains_behind": rows["domains"],
        "rules": [row | {"observed": json.loads(row["observed"])} for row in rows["rules"]],
        "paths": [_path(path) for path in case.paths],
    }
    return json.dumps(stated, ensure_ascii=True, indent=2, sort_keys=True).encode() + b"\n"


def _path(path: EvidencePath) -> dict[str, Any]:
    steps = [
        {
            "what": step.what,
            "value": defanged(step.value) if step.what == "domain" else step.value,
            "strength_nano": step.strength_nano,
        }
        for step in path.steps
    ]
    return {"strength": path.strength, "steps": steps}


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [written_row(row) for row in frame.iter_rows(named=True)]

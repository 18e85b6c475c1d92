"""A small rule folder, good in every respect, for tests that spoil it: files of the checkout and rules of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from merchantscreen.policy.folder import INDICATORS, NEEDED, read_files

RANK: Final = "transaction-pattern/sample-rank.yml"
GATE: Final = "referral-link/sample-gate.yml"
EXCEPTION: Final = "exceptions/sample-exception.yml"

INDICATORS_TEXT: Final = """\
version: 1.0.0
owner: rule desk
approver: null
effective_from: 2026-11-01
review_by: 2027-11-01
indicators:
  - {id: A01, group: referral, title: A website, measurable: "yes", source: A report, excluded: null}
  - {id: C01, group: prices, title: Few prices, measurable: "yes", source: A report, excluded: null}
  - {id: C02, group: prices, title: Not to be used, measurable: "no", source: A report, excluded: It says nothing.}
"""
RANK_TEXT: Final = """\
id: sample-rank
title: Nearly all purchases at three prices
version: 1.0.0
status: active
typology: transaction-pattern
role: rank
severity: low
confidence: low
owner: rule desk
approver: null
rationale: Access is sold at a few fixed prices.
references:
  - A public report on fixed prices
indicators: [C01]
false_positives:
  - Every honest subscription service.
innocent_explanations:
  - The shop sells a single product.
effective_from: 2026-11-01
review_by: 2027-11-01
requires: [top3_price_share, purchase_count]
threshold:
  origin: design
  note: Ninety percent at three exact prices.
when: purchase_count >= 20 AND top3_price_share > 0.9
reason: "{top3_price_share} of {purchase_count} purchases are at three prices."
tests:
  - name: one price for nearly everything
    given: {purchase_count: 20, top3_price_share: 0.97}
    expect: hit
  - name: exactly nine tenths
    given: {purchase_count: 60, top3_price_share: 0.9}
    expect: no_hit
  - name: too few purchases to say
    given: {purchase_count: 19, top3_price_share: 1}
    expect: no_hit
  - name: no transactions
    given: {purchase_count: null, top3_price_share: null}
    expect: not_evaluated
"""
GATE_TEXT: Final = """\
id: sample-gate
title: A declared website is on a referred domain
version: 1.0.0
status: active
typology: referral-link
role: gate
severity: high
confidence: high
owner: rule desk
approver: null
rationale: The website is the one that was confirmed.
references:
  - The referral format
indicators: [A01]
false_positives:
  - A website declared by mistake.
innocent_explanations:
  - The domain changed hands.
effective_from: 2026-11-01
review_by: 2027-11-01
requires: [referred_declared_count]
threshold:
  origin: design
  note: One is enough.
when: referred_declared_count >= 1
reason: "{referred_declared_count} declared website(s) on a referred domain."
tests:
  - name: one website
    given: {referred_declared_count: 1}
    expect: hit
  - name: no website on a referred domain
    given: {referred_declared_count: 0}
    expect: no_hit
  - name: no website declared
    given: {referred_declared_count: null}
    expect: not_evaluated
"""
EXCEPTION_TEXT: Final = """\
id: sample-exception
title: A club with three fees
version: 1.0.0
rules: [sample-rank]
account: 400001/M1
owner: case desk
approver: null
reason: The club sells three kinds of membership; seen in its statutes.
effective_from: 2026-11-01
expires_on: 2027-05-01
"""


def small_files(repository: Path) -> dict[str, bytes]:
    """Return a folder of two rules and an exception, with the numbers and lists of the checkout."""
    files, _ = read_files(repository / "rules")
    texts = {INDICATORS: INDICATORS_TEXT, RANK: RANK_TEXT, GATE: GATE_TEXT, EXCEPTION: EXCEPTION_TEXT}
    return {name: files[name] for name in NEEDED} | {name: text.encode() for name, text in texts.items()}


def changed(files: Mapping[str, bytes], name: str, old: str, new: str) -> dict[str, bytes]:
    """Return a folder in which one text of one file, which has to be there, is put differently."""
    text = files[name].decode()
    assert old in text, f"{old!r} is not in {name}"
    return {**files, name: text.replace(old, new, 1).encode()}


def write_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the files of a rule folder to the disk."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder

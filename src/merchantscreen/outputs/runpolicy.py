"""The policy out of a run itself, so that what is told about a run rests on the rules it worked with.

Rule kept here: the files have the digests they carry, and lead to the digests of the manifest,
or there is no policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import polars as pl

from merchantscreen.errors import IntegrityError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.policy.loading import load_files
from merchantscreen.policy.model import Policy

_WHERE = "policy.jsonl"


def policy_of_run(files: pl.DataFrame, digest: str, file_digests: Mapping[str, str]) -> Policy:
    """Load the rule folder that a run carries.

    Args:
        files: tables.PolicyFiles of the run.
        digest: Digest of the policy, from the manifest.
        file_digests: sha256 by file name, from the manifest.

    Raises:
        IntegrityError: A file or the whole differs from what is stated.
        PolicyError: This version cannot read it.
    """
    content = {name: text.encode() for name, text in files.select("name", "text").iter_rows()}
    stated = dict(files.select("name", "sha256").iter_rows())
    wrong = sorted(name for name, data in content.items() if hashlib.sha256(data).hexdigest() != stated[name])
    if wrong:
        problems = tuple(PROBLEMS["MS-RUN-018"].at(_WHERE, column=name) for name in wrong)
        raise IntegrityError("a rule folder that was changed", problems)
    policy = load_files(content)
    if policy.digest != digest or policy.file_digests != dict(file_digests):
        raise IntegrityError("another rule folder", (PROBLEMS["MS-RUN-018"].at(_WHERE, column="digest"),))
    return policy

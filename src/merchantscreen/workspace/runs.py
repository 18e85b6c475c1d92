"""What the log keeps of a screening: which referrals it used and how many accounts each led to.

Counts only, no account: who runs a hotline may be told them. An account counts for each referral behind it, and
for the hotlines behind it; where two hotlines gave the same id to a referral of theirs, and both are behind
an account, it counts for both.

Bodies are written in the form of `referrals.logged`, in parts where a list is long.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from merchantscreen.outputs.manifest import LogHead
from merchantscreen.records import SourceFile
from merchantscreen.referrals.history import History
from merchantscreen.referrals.logged import parted
from merchantscreen.referrals.register import Register

STARTED: Final = "run.started"
RECORDED: Final = "run.recorded"


def source_of(history: History) -> SourceFile:
    """State the events of a log that count as a manifest states a file: their canonical bytes, one a line."""
    lines = [received.event.canonical() + b"\n" for received in history.received]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    return SourceFile("referrals", "log", sum(map(len, lines)), digest, len(lines), len(lines), 0)


def started_body(run_id: str, as_of: str, head: LogHead) -> dict[str, Any]:
    """Return the body of `run.started`: said before anybody can see a result."""
    return {"run_id": run_id, "as_of": as_of, "log_size": head.size, "log_root": head.root}


def recorded_bodies(
    run_id: str, as_of: str, head: LogHead, manifest_sha256: str, used: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the bodies of `run.recorded`, one or more; `used` is what `referrals_used` lists."""
    whole = started_body(run_id, as_of, head) | {"manifest_sha256": manifest_sha256}
    return parted(whole, "referrals", used)


def referrals_used(register: Register, ranking: pl.DataFrame) -> list[dict[str, Any]]:
    """Count ranked accounts per referral that counts at the moment of the register, those without any included.

    Args:
        register: The register the screening worked with.
        ranking: tables.Ranking of its result.
    """
    tiers: dict[tuple[str, str], Counter[str]] = {}
    for row in ranking.select("tier", "referral_ids", "hotlines").iter_rows(named=True):
        for key in [(hotline, one) for hotline in row["hotlines"] for one in row["referral_ids"]]:
            tiers.setdefault(key, Counter())[row["tier"]] += 1
    counting = sorted((one.hotline, one.referral_id) for one in register.referrals if one.counts)
    return [_line(key, tiers.get(key, Counter())) for key in counting]


def _line(key: tuple[str, str], tiers: Counter[str]) -> dict[str, Any]:
    return {"hotline": key[0], "referral_id": key[1], "tiers": dict(tiers), "account_count": tiers.total()}

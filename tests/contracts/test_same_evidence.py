"""The same evidence, byte for byte, whichever engine searched and counted."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from cli.command import AS_OF as AS_OF_TEXT
from cli.command import merchantscreen, process
from contracts.places import QUICK_JAVA, needs_java
from frames import AS_OF
from properties.test_screen import EVIDENCE, POLICY, Network, drawn, flagged_by, screened, staged

from merchantscreen.engines import Engine
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.screening import ScreenResult, screen
from merchantscreen.vocabulary import EvidenceFamily

WORLDS: Final = int(os.environ.get("SPARK_WORLDS", "12"))
"""Worlds of tests/properties, those that the properties are held to among them; set it to look further."""


def written(table: pl.DataFrame) -> bytes:
    """Write a table down."""
    return table.write_ndjson().encode()


def beside(networks: Sequence[Network]) -> Network:
    """Put networks beside each other as one in which they share nothing.

    A screen costs a cluster some hundred jobs however small its world, so many worlds are screened as one.
    """
    parts = [_apart(network, f"{number:02d}") for number, network in enumerate(networks)]
    frames = [pl.concat(frames) for frames in zip(*map(_frames, parts), strict=True)]
    return Network(tuple(event for one in parts for event in one.events), *frames)


def _frames(network: Network) -> tuple[pl.DataFrame, ...]:
    return network.merchants, network.stated, network.rows


def _apart(network: Network, mark: str) -> Network:
    def marked(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
        site = pl.col(columns).str.replace("-lamps.", f"-lamps-{mark}.", literal=True)
        is_site = pl.col(columns).str.contains("-lamps.", literal=True)
        return frame.with_columns(pl.when(is_site).then(site).otherwise(pl.col(columns) + mark))

    def event(one: ReferralEvent) -> ReferralEvent:
        names = {name: getattr(one, name) for name in ("domain", "moved_to_domain")}
        moved = {name: site and site.replace("-lamps.", f"-lamps-{mark}.") for name, site in names.items()}
        return one.model_copy(update={**moved, "referral_id": f"{one.referral_id}-{mark}"})

    seen = ("requestor_host", "device_token", "ip_token", "terminal", "descriptor")
    return Network(
        tuple(map(event, network.events)),
        marked(network.merchants, "account_id", "card_acceptor_id"),
        marked(network.stated, "value", "account_id"),
        marked(network.rows, "account_id", *seen),
    )


@functools.cache
def worlds() -> Network:
    """Draw the worlds."""
    return beside([drawn(seed) for seed in range(WORLDS)])


@functools.cache
def expected() -> ScreenResult:
    """Screen the worlds on the embedded engine."""
    return screened(worlds())


def test_the_worlds_are_worth_comparing() -> None:
    """They hold links in and outside of the validity, evidence of every family, unknown values, every case tier."""
    result, rows = expected(), worlds().rows
    families = Counter(result.ledger["family"])
    assert all(families[family.value] >= 2 * WORLDS for family in EvidenceFamily)
    assert set(result.links["in_window"]) == {True, False}
    assert result.ranking["tier"].n_unique() >= 3
    assert all(0 < rows[name].null_count() < rows.height for name in ("card_product", "requestor_host", "device_token"))
    assert result.ranking["account_id"].str.slice(-2).n_unique() == WORLDS


@pytest.mark.parametrize("far_away", ["Asia/Kolkata"], indirect=True)
def test_drawn_worlds_give_the_same_bytes(engine: Engine, far_away: str, tmp_path: Path) -> None:
    """Small networks in which most things touch: every table of evidence is the same text."""
    found = screen(staged(tmp_path, worlds()), flagged_by(worlds().events), POLICY, engine, AS_OF)
    differing = [name for name in EVIDENCE if written(getattr(found, name)) != written(getattr(expected(), name))]
    assert differing == []
    assert written(found.blind_spots) == written(expected().blind_spots)


# --------------------------------------------------------------------------- the command


@pytest.fixture
def quick_spark(tmp_path: Path) -> dict[str, str]:
    """Write the settings of a Spark that somebody else starts, where it looks for them."""
    needs_java()
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "spark-defaults.conf").write_text(f"spark.driver.extraJavaOptions {QUICK_JAVA}\n")
    return {"SPARK_CONF_DIR": str(folder)}


@pytest.mark.spark
def test_the_sample_run_on_spark_is_the_pinned_one(
    repository: Path, tmp_path: Path, quick_spark: dict[str, str]
) -> None:
    """The command in a process of its own, transactions read where they are: all evidence as it is pinned.

    The manifest says which Spark it was and what it read, and the run cannot be made again from files.
    """
    sample, out, lake = repository / "sample_data", tmp_path / "runs", tmp_path / "lake.parquet"
    pl.read_csv(sample / "transactions.csv", infer_schema=False).write_parquet(lake, row_group_size=4096)
    words = ["--referrals", sample / "referrals.jsonl", "--merchants", sample / "merchants.csv"]
    of_run = ["--as-of", AS_OF_TEXT, "--out", out, "--run-id", "r", "--engine", "spark", "--spark-master", "local[2]"]
    # a zone of its own, and one without whole hours: no moment may be read in it
    settings = {"TZ": "Asia/Kolkata", **quick_spark}
    ran = process("screen", *words, *of_run, "--spark-transactions", f"file://{lake}", **settings)
    assert (ran.code, ran.err) == (0, "")
    lines = (sample / "expected/SHA256SUMS").read_text().splitlines()
    pinned = [line.split("  ") for line in lines if not line.endswith("  report.html")]  # it names the run
    found = {name: hashlib.sha256((out / "r" / name).read_bytes()).hexdigest() for _, name in pinned}
    assert found == {name: digest for digest, name in pinned}
    assert sorted(path.name for path in out.iterdir()) == ["r"]
    manifest = json.loads((out / "r/manifest.json").read_bytes())
    assert manifest["parameters"]["engine"] == "spark"
    assert manifest["parameters"]["spark_version"].startswith("4.")
    assert [(one["name"], one["rows_read"]) for one in manifest["inputs"] if one["role"] == "transactions"] == [
        ("lake.parquet", manifest["totals"]["transactions"]["rows_accepted"])
    ]
    again = merchantscreen("reproduce", out / "r", *words, "--transactions", lake)
    assert (again.code, again.codes) == (2, ["MS-ENG-009"])

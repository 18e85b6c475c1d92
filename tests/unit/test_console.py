"""The console view: figures that add up, neutral words, nothing clickable, readable at any width."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import polars as pl
import pytest
from rich.console import Console
from unit import small_run

from merchantscreen.bundle import compile_manifest
from merchantscreen.outputs.blindspots import sentences
from merchantscreen.outputs.console import COUNTER_EVIDENCE, Shown, show_run
from merchantscreen.tables import BlindSpots
from merchantscreen.vocabulary import BlindSpot, CounterEvidence

MANIFEST = compile_manifest(small_run.facts(), small_run.RESULT, {})


def _shown(
    width: int = 180, *, terminal: bool = False, top: int = 30, ranking: pl.DataFrame = small_run.RANKING
) -> str:
    sink = StringIO()
    color = "truecolor" if terminal else None
    console = Console(
        file=sink, width=width, force_terminal=terminal, color_system=color, markup=False, highlight=False, emoji=False
    )
    shown = Shown(ranking, small_run.BLIND_SPOTS, small_run.SHADOW, small_run.EXCEPTIONS, small_run.SKEW)
    show_run(console, MANIFEST, shown, "runs/run-1", top)
    return sink.getvalue()


def test_what_was_read_adds_up_on_the_screen() -> None:
    """Every role shows read = accepted + rejected, and the totals of the screen follow."""
    text = _shown()
    assert "merchants    1 file    401 read =   400 accepted + 1 rejected" in text
    assert "transactions 1 file  9,000 read = 9,000 accepted + 0 rejected" in text
    assert "1 flagged domain · 400 accounts and 9,000 transactions screened" in text


def test_the_ranked_accounts_are_shown_with_ties() -> None:
    """Equal accounts show the same place with an equals sign; the tiers are summed up below."""
    lines = _shown().splitlines()
    assert [line.split()[:3] for line in lines if "400001/M" in line] == [
        ["1", "T1", "400001/M1"], ["2", "T3", "400001/M2"], ["=3", "watch", "400001/M3"], ["=3", "watch", "400001/M4"],
    ]  # fmt: skip
    assert "Tiers   T1: 1 · T2: 0 · T3: 1 · watch: 2 (shown, not cases)" in lines


def test_hostile_names_do_nothing() -> None:
    """Brackets in a name are text, and an escape sequence is shown, on a terminal with colours too."""
    for text in (_shown(), _shown(terminal=True)):
        assert "ACME [/] LTD" in text
        assert r"=HYPERLINK(1)\x1b[2J" in text
        assert "\x1b[2J" not in text


def test_pipes_get_plain_text() -> None:
    """Without a terminal there is no escape sequence at all."""
    assert "\x1b" not in _shown()


def test_domains_are_defanged_and_words_neutral() -> None:
    """No host could be clicked, and the list says what a link is not."""
    text = _shown()
    assert "amber-shop[.]example" in text
    assert "amber-shop.example" not in text
    assert "linked, for review — not a finding" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 150, 200])
def test_a_narrow_terminal_loses_columns_not_accounts(width: int) -> None:
    """At any width every account and its tier are there, and no line is longer than the terminal."""
    text = _shown(width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert all(name in text for name in small_run.RANKING["account_id"])
    assert ("rules that hit" in text) == (width >= 150)


def test_rows_left_out_are_counted() -> None:
    """With fewer rows on the screen than in the files, the rest is counted."""
    assert "… and 3 more in ranking.csv" in _shown(top=1)
    assert "more in ranking.csv" not in _shown()


def test_an_empty_ranking_is_said() -> None:
    """A run without any link says so in words."""
    assert "none: no account read holds a link" in _shown(ranking=small_run.RANKING.clear())


def test_the_sealed_queue_is_counted_not_shown() -> None:
    """The screen says how many accounts are sealed, and names none of them."""
    sealed = small_run.RANKING.head(1).with_columns(account_id=pl.lit("400001/SEALED"))
    manifest = compile_manifest(small_run.facts(), replace(small_run.RESULT, sealed=sealed), {})
    sink = StringIO()
    shown = Shown(small_run.RANKING, small_run.BLIND_SPOTS, small_run.SHADOW, small_run.EXCEPTIONS, small_run.SKEW)
    show_run(Console(file=sink, width=160), manifest, shown, "runs/run-1")
    assert "1 account for the law-enforcement liaison only" in sink.getvalue()
    assert "400001/SEALED" not in sink.getvalue()


def test_blind_spots_are_sentences_with_counts() -> None:
    """Each kind of blind spot is one sentence with its count."""
    assert list(sentences(small_run.BLIND_SPOTS)) == [
        "2 referrals not confirmed, so not used",
        "1 column absent; what it carries was not tested (transactions.card_product)",
        "1,200 transactions later than this moment, so left out",
    ]


@pytest.mark.parametrize("kind", list(BlindSpot))
def test_every_blind_spot_has_its_sentence(kind: BlindSpot) -> None:
    """No kind of blind spot can be forgotten on the screen, and hosts in it are defanged."""
    rows = small_run.frame(
        BlindSpots, [{"kind": kind.value, "subject": f"shop-{n}.example", "count": 1, "detail": "-"} for n in range(9)]
    )
    (sentence,) = sentences(rows)
    assert sentence.startswith("9 ")
    assert ".example" not in sentence.replace("[.]example", "")


def test_every_counter_evidence_has_its_words() -> None:
    """What speaks against a link is never shown as a code."""
    assert set(COUNTER_EVIDENCE) == {note.value for note in CounterEvidence}

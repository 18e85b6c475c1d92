"""What every engine has to do alike: one suite, run on each engine there is.

Beside the plain contract of the protocol these are the places where engines were measured to differ
without a word. Where a construct cannot be trusted, our whole-table definitions must not use it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import feature_worlds as worlds
import narwhals.stable.v2 as nw
import polars as pl
import pytest
from frames import AS_OF, declared, traffic, transactions
from polars.testing import assert_frame_equal

from architecture.package import modules
from merchantscreen.engines import Engine, Frame
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.features import (
    CHANGES,
    CONTACTS,
    HOSTS,
    NAMES,
    PAYMENTS,
    compared_stages,
    moment_literal,
    name_stages,
    payment_stages,
)
from merchantscreen.links import activity, purchases_at
from merchantscreen.neighbourhood import count_holders, holders_of, take_holders
from merchantscreen.tables import INPUT_TABLES, Transactions, schema_of
from merchantscreen.traffic import Asked

EDGES: Final = pl.DataFrame(
    {
        "key": ["a", "a", "b", "b", None, None, "ä", "Z"],
        "text": ["x.y", "xzy", "", None, ".", "ß.ß", "𝕏", "a b"],
        "number": [2**63 - 1, 1, 0, None, -(2**63), -7, 7, 3],
        "flag": [True, None, False, True, None, None, True, False],
        "moment": [datetime(2026, 10, 25, 0, 59, 59, 999_999), None, datetime(1900, 1, 1), datetime(2038, 1, 19, 3, 14),
                   datetime(2026, 3, 29, 1, 30), datetime(9999, 12, 31), datetime(1, 1, 3), AS_OF],
        "day": [date(2026, 10, 25), None, date(1900, 1, 1), date(1, 1, 3), date(9999, 12, 31), AS_OF.date(),
                date(1970, 1, 1), date(1969, 12, 31)],
    },
    schema_overrides={"moment": pl.Datetime("us")},
)  # fmt: skip
"""Rows at the edges of their types; no zone has some of these times, and one of them twice."""


def same(engine: Engine, define: Callable[..., Frame], *frames: pl.DataFrame) -> pl.DataFrame:
    """Run a definition on an engine and on the embedded one, over `EDGES` if nothing else; return the rows if equal."""
    expected, found = (
        runs.collect(define(*(runs.load(frame) for frame in frames or (EDGES,))))
        for runs in (PolarsEngine(Path()), engine)
    )
    assert_frame_equal(found, expected, check_row_order=False, check_exact=True, check_dtypes=False)
    return found


# --------------------------------------------------------------------------- the protocol


def test_a_loaded_table_comes_home_as_it_was(engine: Engine) -> None:
    """Texts, whole numbers at their ends, days and moments survive, and a table without rows keeps its columns."""
    assert_frame_equal(engine.collect(engine.load(EDGES)), EDGES, check_row_order=False)
    assert_frame_equal(engine.collect(engine.load(EDGES.clear())), EDGES.clear())


def test_numbers_without_sign_and_finer_times_keep_their_value(engine: Engine) -> None:
    """Types that an engine may lack arrive with the same values in types that all have."""
    fine = pl.DataFrame({"small": [0, 255], "large": [1, 2**62], "fine": [AS_OF, None]}).with_columns(
        pl.col("small").cast(pl.UInt8), pl.col("large").cast(pl.UInt64), pl.col("fine").cast(pl.Datetime("ns"))
    )
    found = engine.collect(engine.load(fine)).cast({"small": pl.Int64, "large": pl.Int64, "fine": pl.Datetime("us")})
    assert sorted(found.rows(), key=str) == sorted([(0, 1, AS_OF), (255, 2**62, None)], key=str)


def test_our_tables_hold_only_types_that_every_engine_has() -> None:
    """Signed whole numbers and microseconds: an engine refuses a whole file for one finer column."""
    types = {dtype for table in (Transactions, *INPUT_TABLES.values()) for dtype in schema_of(table).values()}
    assert types <= {pl.String(), pl.Int64(), pl.Boolean(), pl.Date(), pl.Datetime("us"), pl.List(pl.String())}


def test_a_path_is_a_name(engine: Engine, tmp_path: Path) -> None:
    """Signs that could be a pattern, and a folder that could be a column, are part of the name."""
    folder = tmp_path / ".work-x" / "key=1" / "a[1]{b,c}*?"
    folder.mkdir(parents=True)
    files = [folder / "part-0.parquet", folder / "part-1.parquet"]
    for file, part in zip(files, (EDGES.head(3), EDGES.tail(5)), strict=True):
        part.write_parquet(file)
    assert_frame_equal(engine.collect(engine.scan(files)), EDGES, check_row_order=False)


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_rows_are_found_by_what_they_hold(engine: Engine, tmp_path: Path, count: int) -> None:
    """By no value, few or many: the rows with one of them, and none in which nothing is known."""
    texts = [f"t{number:02}" for number in range(60)]
    rows = pl.DataFrame({"text": [*texts, None, "ß", *texts[:9]], "number": range(71)})
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=7)
    wanted = pl.Series("text", [*texts[:count], *texts[:count], "nowhere"][: 3 * count], dtype=pl.String)
    found = engine.collect(engine.among(engine.scan([tmp_path / "rows.parquet"]), "text", wanted))
    assert_frame_equal(found, rows.filter(pl.col("text").is_in(texts[:count])), check_row_order=False)


def test_a_stage_holds_its_rows_and_leaves_earlier_ones_alone(engine: Engine) -> None:
    """A stage may be saved again under its name while a plan still reads the first."""
    first = engine.save(engine.load(EDGES), "twice")
    engine.save(first.filter(nw.col("key") == "a"), "twice" if not isinstance(engine, PolarsEngine) else "other")
    assert_frame_equal(engine.collect(first), EDGES, check_row_order=False)


# --------------------------------------------------------------------------- silent differences


def test_a_moment_means_utc_wherever_the_machine_is(engine: Engine, far_away: str) -> None:
    """Literals and columns are compared without a zone, and the hour and day of a moment are those of UTC."""
    assert far_away != "UTC"
    moment, until = nw.col("moment"), moment_literal(AS_OF)
    parts = (moment.dt.date().alias("on"), moment.dt.hour().cast(nw.Int64).alias("hour"))
    found = same(engine, lambda rows: rows.filter(moment <= until).with_columns(*parts))
    assert found.filter(pl.col("key") == "Z").height == 1
    assert same(engine, lambda rows: rows.filter(moment > until)).height == 2


def test_nulls_are_a_group_but_never_a_match(engine: Engine) -> None:
    """Rows without a key are counted together, stay out of joins, and are one distinct value."""
    assert same(engine, lambda rows: rows.group_by("key").agg(nw.len().alias("count"))).height == 5
    joined = same(engine, lambda rows: rows.join(rows.select("key").unique(), on="key", how="semi"))
    assert joined["key"].null_count() == 0
    assert same(engine, lambda rows: rows.select("key").unique()).height == 5


def test_conditions_on_nulls_count_as_no(engine: Engine) -> None:
    """A flag made of an unknown is 0, and 0/1 add up as whole numbers."""
    flag = nw.when(nw.col("flag")).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64).alias("count")
    found = same(engine, lambda rows: rows.with_columns(flag).group_by("key").agg(nw.col("count").sum()))
    assert dict(found.iter_rows())["a"] == 1


def test_texts_are_ordered_and_cut_by_their_characters(engine: Engine) -> None:
    """A dot is a dot, the lowest text is that of the lowest bytes, and a slice counts characters."""
    text = nw.col("text")
    dotted = same(engine, lambda rows: rows.filter(text.str.contains(".", literal=True)))
    assert sorted(dotted["text"]) == [".", "x.y", "ß.ß"]
    same(engine, lambda rows: rows.group_by("key").agg(text.min()))
    same(engine, lambda rows: rows.select(text.str.slice(0, 1)))
    joined = nw.concat_str([nw.col("number").cast(nw.String), text], separator=" ")
    same(engine, lambda rows: rows.select(joined.alias("both")))


def test_whole_numbers_are_divided_to_whole_numbers(engine: Engine) -> None:
    """Quarters of an hour are whole, for hours of the day as we count them."""
    hours = pl.DataFrame({"minutes": [0, 14, 15, 1439, None]})
    same(engine, lambda rows: rows.select((nw.col("minutes") // 15).cast(nw.Int64).alias("quarter")), hours)


def _whole_table_definitions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Find the functions of the package that build Narwhals expressions."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            names = {ast.unparse(name) for name in ast.walk(node) if isinstance(name, ast.Name)}
            if isinstance(node, ast.FunctionDef) and "nw" in names:
                yield f"{module.name}.{node.name}", node


UNTRUSTED: Final = {
    "split": "a pattern on Spark, a text on Polars", "max_horizontal": "differs where a value is not a number",
    "min_horizontal": "differs where a value is not a number", "mode": "ties", "unpivot": "nulls",
    "n_unique": "null or 0, and unbounded memory", "median": "whole group in memory",
    "quantile": "whole group in memory", "mean": "not for booleans, and order of addition", "first": "order",
    "last": "order", "any_value": "order", "approx_n_unique": "an estimate is no evidence", "var": "order of addition",
    "std": "order of addition", "hash": "differs",
}  # fmt: skip
"""What engines do differently without a word, or only on some: never in a whole-table definition."""


def test_whole_table_definitions_use_nothing_that_engines_do_differently() -> None:
    """No Narwhals expression of ours rests on a construct that was measured to differ."""
    definitions = list(_whole_table_definitions())
    assert len(definitions) > 20
    used = [
        f"{name}: {node.func.attr}"
        for name, function in definitions
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in UNTRUSTED
        and _is_narwhals(node.func.value)
    ]  # fmt: skip
    assert used == []


def _is_narwhals(value: ast.expr) -> bool:
    """Tell whether a chain of calls begins with Narwhals; Polars may do these things at home."""
    while isinstance(value, ast.Call | ast.Attribute):
        value = value.func if isinstance(value, ast.Call) else value.value
    return isinstance(value, ast.Name) and value.id == "nw"


# --------------------------------------------------------------------------- our definitions


def _payments() -> pl.DataFrame:
    """Make transactions in which most columns are known, unknown, repeated or at an edge."""
    full: dict[str, Any] = {
        "card_product": "prepaid", "issuer_country": "NL", "merchant_country": "BE", "entry_mode": "0510", "eci": "5",
        "descriptor": "SHOP.EXAMPLE", "requestor_host": "shop.example", "mcc": "5732", "device_token": "D",
    }  # fmt: skip
    late = datetime(2026, 12, 1)
    moments = (datetime(2026, 10, 25, 0, 14, 59), datetime(2026, 10, 25, 23, 59, 59, 999_999), AS_OF, late)
    kinds = ((1990, "approved", full), (99, "declined", {}), (10**13, "approved", {"eci": "07"}))
    rows = [
        {"account_id": account, "occurred_at": moment, "amount_minor": amount, "outcome": outcome, **known}
        for account in ("A/1", "A/2", "Ä/3")
        for moment in moments
        for amount, outcome, known in kinds
    ]
    numbered = [{**row, "transaction_id": f"t{index}" if index % 3 else None} for index, row in enumerate(rows)]
    return transactions(*numbered)


def test_stages_of_features_are_the_same(engine: Engine, tmp_path: Path) -> None:
    """Every stage in which transactions are counted, over known and unknown values alike."""
    rows, ids = _payments(), pl.Series(["A/1", "Ä/3", "none"])
    found = {}
    for name, runs in (("ours", PolarsEngine(tmp_path)), ("theirs", engine)):
        taken = traffic(runs, rows).take(Asked({PAYMENTS: ids, NAMES: ids}, compared=ids), "measured")
        paid = taken.rows(PAYMENTS, ids)
        names = name_stages(
            taken.rows(HOSTS, ids), taken.rows(CHANGES, ids.head(1)), taken.naming("descriptor"),
            taken.naming(*CONTACTS),
        )  # fmt: skip
        stages = payment_stages(paid, worlds.MEASURES) | compared_stages(paid) | names
        found[name] = {stage: runs.collect(frame) for stage, frame in stages.items()}
    for stage, frame in found["ours"].items():
        assert frame.height > 0, stage
        assert_frame_equal(found["theirs"][stage], frame, check_row_order=False, check_exact=True)


def test_scans_for_links_are_the_same(tmp_path: Path, engine: Engine) -> None:
    """Distinct names, activity inside and outside of a window, wanted prices, counted holders."""
    wanted = pl.DataFrame(
        {"seen_as": ["shop.example"], "domain": ["shop.example"], "match": ["exact"],
         "window_from_at": [datetime(2026, 10, 25, 12)], "window_until_at": [AS_OF]}
    )  # fmt: skip
    prices = pl.DataFrame(
        {"account_id": ["A/1"], "domain": ["shop.example"], "amount_minor": [1990], "currency": ["EUR"],
         "from_at": [datetime(2026, 10, 25, 12)], "until_at": [AS_OF]}
    )  # fmt: skip
    rows = _payments()
    held = pl.DataFrame({"kind": ["descriptor"], "value": ["SHOP.EXAMPLE"]})
    for runs in (PolarsEngine(tmp_path), engine):
        asked = traffic(runs, rows)
        assert asked.values("requestor_host").to_list() == ["shop.example"]
        taken = take_holders(asked, runs.load(declared(("phone", "SHOP.EXAMPLE", "A/9"))), held, "holders")
        counted = count_holders(runs, taken)
        assert counted.select("value", "holder_count").rows() == [("SHOP.EXAMPLE", 3)]
    seen = same(engine, lambda frame, names: activity(frame, "requestor_host", names), rows, wanted)
    assert set(seen["in_window"]) == {True, False}
    assert same(engine, purchases_at, rows, prices).height == 1


def test_holders_are_the_same(tmp_path: Path, engine: Engine) -> None:
    """Of each identifier by its number, whether it is declared or seen, and nobody's by an equal value elsewhere."""
    rows = _payments()
    followed = pl.DataFrame({"identifier": [7, 9], "kind": ["descriptor", "phone"], "value": ["SHOP.EXAMPLE", "P"]})
    stated = declared(("phone", "P", "A/9"), ("email", "P", "A/8"), ("phone", "SHOP.EXAMPLE", "A/7"))
    found = []
    for runs in (PolarsEngine(tmp_path), engine):
        taken = take_holders(traffic(runs, rows), runs.load(stated), followed, "holders")
        found.append(holders_of(runs, [taken], followed))
    ours, theirs = found
    assert ours.filter(identifier=9).rows() == [("A/9", 9)]
    assert ours.filter(identifier=7).height == 3
    assert_frame_equal(theirs, ours, check_row_order=False)

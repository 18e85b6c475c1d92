"""How many rejected rows a run may have, and how they are told.

The limit counts per role: referrals, merchants, transactions. By default it is a
hundred rows, or one in a thousand where that is more. A role whose rows were all
rejected ends the run at any limit: an empty screening is not a clean result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from merchantscreen.errors import Problem, RejectLimitError
from merchantscreen.outputs.manifest import Totals
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted
from merchantscreen.records import Role

SHOWN: Final = 20
"""Problems printed when the limit is passed; all are in the rejects file."""
SHOWN_BELOW_LIMIT: Final = 5
_LEAST_LIMIT: Final = 100
_ONE_IN: Final = 1000


def limit_of(rows_read: int, wanted: int | None) -> int:
    """Return the most rejected rows one role may have."""
    return max(_LEAST_LIMIT, rows_read // _ONE_IN) if wanted is None else wanted


def over_limit(totals: Mapping[Role, Totals], wanted: int | None) -> tuple[Problem, ...]:
    """Name every role with too many rejected rows, or without any that was accepted."""
    return tuple(problem for role, total in totals.items() for problem in _judged(role, total, wanted))


def _judged(role: Role, total: Totals, wanted: int | None) -> Iterator[Problem]:
    limit = limit_of(total.rows_read, wanted)
    if total.rows_rejected > limit:
        yield PROBLEMS["MS-RUN-020"].at(
            role,
            found=f"{total.rows_rejected:,} of {counted(total.rows_read, 'row')} rejected",
            expected=f"at most {limit:,}",
        )
    elif total.rows_rejected and not total.rows_accepted:
        yield PROBLEMS["MS-RUN-021"].at(
            role, found=f"{counted(total.rows_read, 'row')} and none that could be accepted"
        )


def stop(problems: tuple[Problem, ...], rejects: pl.DataFrame) -> RejectLimitError:
    """Make the error that ends a run over its limit: what was passed, and the first rejected rows."""
    return RejectLimitError("too many rejected rows", problems + first_rejects(rejects, SHOWN))


def first_rejects(rejects: pl.DataFrame, limit: int) -> tuple[Problem, ...]:
    """Return the first rejected rows as problems with place and fix."""
    return tuple(
        Problem(row["code"], row["file"], row["line"], row["column"], row["found"], row["expected"], row["fix"])
        for row in rejects.head(limit).iter_rows(named=True)
    )


def per_code(rejects: pl.DataFrame) -> Iterator[str]:
    """Count the rejects per code, most frequent first."""
    codes = rejects.group_by("code").agg(pl.len().alias("count")).sort("count", "code", descending=[True, False])
    for code, count in codes.iter_rows():
        yield f"  {count:,} × {code}"

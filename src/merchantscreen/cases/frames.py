"""Cases as a table of a run: what was decided before, and where each ranked account stands.

No written reason is in it: a bundle cannot forget, and a reason has to stay erasable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from merchantscreen.cases.due import Calendar
from merchantscreen.cases.items import RunView
from merchantscreen.cases.model import Case, Cases
from merchantscreen.cases.standing import Withdrawn, standing
from merchantscreen.tables import CaseHistory, schema_of

_NO_CALENDAR = Calendar({})
"""A bundle states no due dates: they depend on settings that may change after it."""


def history_frame(cases: Cases, run: RunView, withdrawn: Withdrawn) -> pl.DataFrame:
    """Return tables.CaseHistory of the ranked accounts that have a case.

    Args:
        cases: The fold of the log that the run worked with.
        run: The run.
        withdrawn: Referrals that were taken back by then.
    """
    known = (cases.by_account[name] for name in run.accounts if name in cases.by_account)
    rows = [row for case in known for row in _rows(case, run, withdrawn)]
    return pl.DataFrame(rows, schema=schema_of(CaseHistory), orient="row")


def _rows(case: Case, run: RunView, withdrawn: Withdrawn) -> Iterator[dict[str, Any]]:
    """List the decisions of a case and the proposal that waits; one row without either if there is none."""
    found = standing(case, run, withdrawn, _NO_CALENDAR)
    items = [str(item) for item in (*found.new_items, *found.not_comparable)]
    about = {"account_id": case.account_id, "number": case.number, "state": found.state.value, "new_items": items}
    decisions = [*case.decisions, *([case.proposal] if case.proposal is not None else [])]
    for one in decisions:
        yield about | {
            "log_index": one.log_index,
            "decided_at": one.at,
            "actor": one.author,
            "disposition": one.disposition.value,
            "run_id": one.run_id,
            "tier": one.tier.value,
            "confirmed_by": one.confirmed_by,
        }
    if not decisions:
        yield about

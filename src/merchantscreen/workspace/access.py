"""Who is at work, and what a role may do.

The person is the system user that runs the program, or a name that the settings let
this system user act under (`people`), for accounts that several persons use. Roles come
from the settings (`roles`); while nobody has one, everybody who can open the workspace may do
everything.

What this is worth: it keeps colleagues to their tasks and writes down who did what. It
does not stop whoever administers the machine: they can become any user, change the settings, or
use the files directly. Such a change shows against a checkpoint that was kept elsewhere; it is
detected, not prevented. Source: threat model 5.5.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person is trusted with."""

    INTAKE = "intake"
    ANALYST = "analyst"
    LEAD = "lead"
    AUDITOR = "auditor"


_INTAKE: Final = frozenset({Role.INTAKE, Role.LEAD})
_WORK: Final = frozenset({Role.ANALYST, Role.LEAD})
_LEAD: Final = frozenset({Role.LEAD})
_AUDIT: Final = frozenset({Role.AUDITOR, Role.LEAD})
_ALL: Final = frozenset(Role)

OPERATIONS: Final[Mapping[str, frozenset[Role]]] = {
    "referral.intake": _INTAKE,
    "referral.import": _INTAKE,
    "referral.transcribe": _INTAKE,
    "referral.retract": _INTAKE,
    "referral.dispute": _INTAKE | _WORK,
    "referral.release": _LEAD,
    "referral.list": _ALL,
    "referral.status": _ALL,
    "referral.receipt": _INTAKE,
    "trust.show": _ALL,
    "trust.change": _LEAD,
    "screen": _WORK,
    "case.list": _WORK | _AUDIT,
    "case.show": _WORK | _AUDIT,
    "case.decide": _WORK,
    "case.take": _WORK,
    "case.assign": _LEAD,
    "lookup": _WORK | _AUDIT,
    "export": _LEAD,
    "export.case_file": _WORK,
    "export.xlsx": _WORK,
    "export.graph": _WORK,
    "export.listing": _LEAD,
    "log.read": _AUDIT,
    "log.verify": _ALL,
    "log.checkpoint": _AUDIT,
    "erase": _LEAD,
}
"""The roles that may do each thing. Taking back is as easy as taking in; releasing and changing trust is not."""


def system_user() -> str:
    """Return the name of the user this program runs as, by its effective id; the id itself if it has no name."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"


def may_act_as(user: str, name: str, people: Mapping[str, Collection[str]]) -> bool:
    """Tell whether a system user may act under a name: the user's own, or one listed for the user."""
    return name == user or name in people.get(user, ())


def may(actor: str, operation: str, roles: Mapping[str, Collection[Role]]) -> bool:
    """Tell whether a person may do something; everybody may everything while nobody has a role."""
    allowed = OPERATIONS[operation]
    return not roles or not allowed.isdisjoint(roles.get(actor, ()))

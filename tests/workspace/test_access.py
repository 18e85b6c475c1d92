"""Who may do what, under which name, and what is written down when somebody may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace.places import made, opened, settle

from merchantscreen.errors import UsageError
from merchantscreen.workspace.access import OPERATIONS, Role, may, may_act_as, system_user


def test_every_role_can_do_something_and_none_but_the_lead_everything() -> None:
    """Tasks are separated: only the lead has all of them."""
    able = {role: {name for name, allowed in OPERATIONS.items() if role in allowed} for role in Role}
    assert all(able.values())
    assert able[Role.LEAD] == set(OPERATIONS)
    assert {role for role in Role if able[role] == set(OPERATIONS)} == {Role.LEAD}


def test_only_a_lead_changes_trust_or_releases_or_exports() -> None:
    """What adds weight to a referral, or takes data out, is for one role; taking back is not."""
    for operation in ("trust.change", "referral.release", "export", "erase"):
        assert OPERATIONS[operation] == {Role.LEAD}
    assert Role.INTAKE in OPERATIONS["referral.retract"]


def test_roles_are_asked_only_where_somebody_has_one() -> None:
    """One person alone may do everything; with roles, whoever has none may nothing."""
    roles = {"anna": frozenset({Role.INTAKE})}
    assert may("anna", "trust.change", {})
    assert may("anna", "referral.intake", roles)
    assert not may("anna", "screen", roles)
    assert not any(may("ben", operation, roles) for operation in OPERATIONS)


def test_a_name_has_to_be_listed_for_the_system_user() -> None:
    """Nobody acts under the name of a colleague who has an account of their own."""
    people = {"desk": frozenset({"anna"})}
    assert may_act_as("desk", "anna", people)
    assert may_act_as("ben", "ben", people)
    assert not may_act_as("ben", "anna", people)
    assert not may_act_as("anna", "desk", people)


def test_a_refusal_is_recorded_and_under_a_checkpoint(tmp_path: Path) -> None:
    """Who tried what stays in the log."""
    folder = made(tmp_path / "desk").folder
    settle(folder, "[roles]", 'carla = ["lead"]', "[people]", f'{system_user()} = ["carla"]')
    with pytest.raises(UsageError) as caught, opened(folder) as workspace:
        workspace.allow("trust.change")
    assert [one.code for one in caught.value.problems] == ["MS-WSP-020"]
    with opened(folder, as_name="carla") as workspace:
        workspace.allow("trust.change")
        event = workspace.log.event(1)
        assert (event.kind, event.actor) == ("access.refused", system_user())
        assert event.body == {"operation": "trust.change", "code": "MS-WSP-020"}
        assert workspace.checkpoints.latest().size == 2


def test_a_name_that_is_not_one_s_own_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """The refusal is under the system user's own name, and holds nothing of what was typed."""
    folder = made(tmp_path / "desk").folder
    with pytest.raises(UsageError) as caught:
        opened(folder, as_name="4111111111111111")
    assert [one.code for one in caught.value.problems] == ["MS-WSP-021"]
    with opened(folder) as workspace:
        event = workspace.log.event(1)
    assert (event.kind, event.actor, event.body["operation"]) == ("access.refused", system_user(), "act-as")
    assert b"4111" not in event.leaf

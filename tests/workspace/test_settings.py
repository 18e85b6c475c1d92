"""Settings: what is read, what is refused, and where it is said to be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace.places import settle

from merchantscreen.errors import InputError, Problem
from merchantscreen.workspace.access import Role
from merchantscreen.workspace.settings import Settings, find_folder, load_settings


def _refused(folder: Path) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        load_settings(folder)
    return list(caught.value.problems)


def test_defaults_and_what_the_file_says(tmp_path: Path) -> None:
    """What the file leaves out has the documented default."""
    settle(tmp_path, "stale_after_hours = 5", "[roles]", 'anna = ["lead", "auditor"]', "[people]", 'desk = ["anna"]')
    settings = load_settings(tmp_path)
    assert (settings.name, settings.store, settings.rules) == ("desk", "sqlite:store.sqlite3", Path("rules"))
    assert (settings.stale_after_hours, settings.roles) == (5, {"anna": {Role.LEAD, Role.AUDITOR}})
    assert settings.people == {"desk": {"anna"}}


def test_the_example_of_the_page_is_read(tmp_path: Path, repository: Path) -> None:
    """Whoever copies the example has a workspace that opens, and the page lists every setting."""
    page = (repository / "docs" / "settings.md").read_text(encoding="utf-8")
    path = tmp_path / "merchantscreen.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    path.chmod(0o600)
    assert load_settings(tmp_path).roles["carla"] == {Role.LEAD}
    assert all(f"| `{name}` |" in page for name in Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


def test_everything_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    """Unknown names, wrong values and wrong roles come together, each with its line."""
    settle(
        tmp_path, "stale_after_hours = 0", 'colour = "red"', 'store = "mysql://x"', "_env_file = 1", "[roles]",
        'anna = ["intake"]', 'ben = ["king"]', "[people]", '"two words" = ["anna"]',
    )  # fmt: skip
    found = {(one.code, one.line, (one.column or "").split(".")[0]) for one in _refused(tmp_path)}
    assert found == {
        ("MS-WSP-006", 3, "stale_after_hours"), ("MS-WSP-005", 4, "colour"), ("MS-WSP-006", 5, "store"),
        ("MS-WSP-005", 6, "_env_file"), ("MS-WSP-006", 9, "roles"), ("MS-WSP-006", 11, "people"),
    }  # fmt: skip


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Name and audience have no default."""
    (tmp_path / "merchantscreen.toml").write_text("", encoding="utf-8")
    assert {(one.code, one.column) for one in _refused(tmp_path)} == {
        ("MS-WSP-007", "name"),
        ("MS-WSP-007", "audience"),
    }


@pytest.mark.parametrize(
    ("text", "line"), [("name = \n", 1), ("a = 1\nb = 1.2.3\n", 2), ("a = 1\nname = 1\nname = 2\n", 3)]
)
def test_broken_toml_is_told_with_its_place(tmp_path: Path, text: str, line: int) -> None:
    """The parser's place is passed on."""
    (tmp_path / "merchantscreen.toml").write_text(text, encoding="utf-8")
    (found,) = _refused(tmp_path)
    assert (found.code, found.line) == ("MS-WSP-004", line)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces what the file says, and an empty one says nothing."""
    settle(tmp_path, "stale_after_hours = 5", 'rules = "own"')
    monkeypatch.setenv("MERCHANTSCREEN_STALE_AFTER_HOURS", "9")
    monkeypatch.setenv("MERCHANTSCREEN_RULES", "")
    settings = load_settings(tmp_path)
    assert (settings.stale_after_hours, settings.rules) == (9, Path("own"))


def test_wrong_variables_are_told_by_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong, an unknown and a forbidden variable are refused, in small letters too."""
    settle(tmp_path)
    monkeypatch.setenv("MERCHANTSCREEN_STALE_AFTER_HOURS", "soon")
    monkeypatch.setenv("MERCHANTSCREEN_COLOUR", "red")
    monkeypatch.setenv("merchantscreen_roles", "{}")
    monkeypatch.setenv("MERCHANTSCREEN_REQUIRE_APPROVED", "false")
    assert {(one.code, one.where) for one in _refused(tmp_path)} == {
        ("MS-WSP-006", "MERCHANTSCREEN_STALE_AFTER_HOURS"), ("MS-WSP-005", "MERCHANTSCREEN_COLOUR"),
        ("MS-WSP-008", "MERCHANTSCREEN_ROLES"), ("MS-WSP-008", "MERCHANTSCREEN_REQUIRE_APPROVED"),
    }  # fmt: skip


def _unusable(folder: Path) -> Iterator[tuple[str, str]]:
    path = folder / "merchantscreen.toml"
    settle(folder)
    path.chmod(0o662)
    yield "others may write", "MS-WSP-003"
    path.unlink()
    path.write_bytes(b"\xff")
    yield "no UTF-8", "MS-WSP-002"
    path.write_bytes(b"#" * 70_000)
    yield "too large", "MS-WSP-002"
    path.unlink()
    path.symlink_to(folder / "elsewhere")
    yield "a link", "MS-WSP-002"


def test_a_file_that_is_not_to_be_believed_is_refused(tmp_path: Path) -> None:
    """Neither what others may change nor what is no file of text counts."""
    for what, code in _unusable(tmp_path):
        assert [one.code for one in _refused(tmp_path)] == [code], what


def test_the_address_of_the_store_shows_nowhere(tmp_path: Path) -> None:
    """An address may hold a password, so settings do not show it, and neither does a refusal."""
    settle(tmp_path, 'store = "postgresql://desk:geheim@db.example/desk"')
    assert "geheim" not in repr(load_settings(tmp_path))
    settle(tmp_path, 'store = "mysql://desk:geheim@db.example/desk"')
    assert "geheim" not in "".join(map(str, _refused(tmp_path)))


def test_a_workspace_is_found_in_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given comes before the environment, and that before the folders around."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    given = tmp_path / "given"
    given.mkdir()
    assert find_folder(None, inner) is None
    settle(tmp_path / "a")
    settle(given)
    assert find_folder(None, inner) == tmp_path / "a"
    monkeypatch.setenv("MERCHANTSCREEN_WORKSPACE", str(given))
    assert find_folder(None, inner) == given
    assert find_folder(tmp_path / "a", inner) == tmp_path / "a"
    with pytest.raises(InputError) as caught:
        find_folder(inner, inner)
    assert [one.code for one in caught.value.problems] == ["MS-WSP-001"]


def test_a_found_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to a folder above ours could lay a workspace there."""
    settle(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    if os.getuid() == 0:  # root's own files are believed, and only root can give one away
        os.chown(tmp_path / "merchantscreen.toml", 4712, -1)
    with pytest.raises(InputError) as caught:
        find_folder(None, tmp_path)
    assert [one.code for one in caught.value.problems] == ["MS-WSP-003"]
    assert find_folder(tmp_path, tmp_path) == tmp_path

"""The settings of a workspace: `merchantscreen.toml`, and the environment over it.

Rules kept here:
* nothing unknown is let in, neither in the file nor among the variables that begin with MERCHANTSCREEN_;
* all that is wrong is told at once, with the line where the file has it;
* what holds people to something comes from the file only: whoever starts the program sets the environment;
* a file that others may change is not believed.

Every setting is described here and nowhere else; docs/settings.md is made from it.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from merchantscreen.cases.due import DEFAULTS, Period
from merchantscreen.errors import InputError, Problem
from merchantscreen.eventlog.stored import Place
from merchantscreen.vocabulary import Tier
from merchantscreen.workspace import problems
from merchantscreen.workspace.access import Role, system_user
from merchantscreen.workspace.files import open_regular

FILE: Final = "merchantscreen.toml"
PREFIX: Final = "MERCHANTSCREEN_"
WORKSPACE_VARIABLE: Final = f"{PREFIX}WORKSPACE"
FILE_ONLY: Final = frozenset({"due", "four_eyes", "holidays", "lookups_per_day", "people", "require_approved", "roles"})
"""Settings that hold people to something, which the environment therefore cannot make."""
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9.-]{0,62}$"
SQLITE: Final = "sqlite:"
_POSTGRESQL: Final = ("postgresql://", "postgres://")
_LARGEST: Final = 64 * 1024
_AT_LINE: Final = re.compile(r"\(at line (\d+), column (\d+)\)")
_HEADER: Final = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?")
_KEY: Final = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)\s*=")
_KINDS: Final = {"extra_forbidden": problems.SETTING_UNKNOWN, "missing": problems.SETTING_MISSING}

_Name = Annotated[str, Field(pattern=NAME_PATTERN)]
CaseTier = Literal["T1", "T2", "T3"]
"""Tiers whose accounts are cases."""
_DUE: Final[Mapping[CaseTier, str]] = {"T1": DEFAULTS[Tier.T1], "T2": DEFAULTS[Tier.T2], "T3": DEFAULTS[Tier.T3]}
_Person = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f-\x9f]{1,64}$")]


class Settings(BaseSettings):
    """Everything that can be set; paths are taken from the folder of the workspace."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    name: Annotated[_Name, Field(description="Name of the workspace, in lower case.")]
    audience: Annotated[
        _Name, Field(description="Id of the network that statements and trust files have to be addressed to.")
    ]
    store: Annotated[
        str,
        Field(repr=False,
              description="Where the log is kept: `sqlite:` and a path, or `postgresql://user@host/database`. "
              "Leave passwords to the server's own means, such as a password file."),
    ] = "sqlite:store.sqlite3"  # fmt: skip
    rules: Annotated[Path, Field(description="Rule folder that `screen` works with.")] = Path("rules")
    runs: Annotated[Path, Field(description="Folder of all runs.")] = Path("runs")
    index: Annotated[
        Path, Field(description="Folder of the index of transaction files; used by screens once there is one.")
    ] = Path("index")
    inbox: Annotated[Path, Field(description="Folder in which what comes from hotlines waits.")] = Path("inbox")
    checkpoints: Annotated[
        Path, Field(description="Folder of signed checkpoints; better on another disk than the store.")
    ] = Path("checkpoints")
    require_approved: Annotated[
        bool, Field(description="Refuse to screen with rules that nobody but their authors approved.")
    ] = False
    checkpoint_key: Annotated[
        Path,
        Field(description="Private key that signs checkpoints, mode 0600. Its public lines lie beside it in a file of "
              "the same name that ends in `.pub`. Better on a medium that is not always there."),
    ] = Path("keys/checkpoint.key")  # fmt: skip
    checkpoint_key_name: Annotated[
        str | None, Field(description="Name the key signs under; the name of the log when absent.")
    ] = None
    pseudonym_key: Annotated[
        Path | None,
        Field(description="Key of the contact tokens in runs, mode 0600; made of the inputs when absent."),
    ] = None
    stale_after_hours: Annotated[
        int, Field(ge=1, le=8760, description="Hours without a sign of life after which a hotline counts as silent.")
    ] = 72
    lookups_per_day: Annotated[
        int, Field(ge=0, le=100_000, description="Look-ups that one person may make on one day (UTC).")
    ] = 200
    busy_seconds: Annotated[
        int, Field(ge=0, le=600, description="Seconds to wait for another command that is writing.")
    ] = 10
    roles: Annotated[
        Mapping[_Person, frozenset[Role]],
        Field(description="Roles of each person: intake, analyst, lead, auditor. While nobody has one, everybody who "
              "can open the workspace may do everything."),
    ] = {}  # fmt: skip
    people: Annotated[
        Mapping[_Person, frozenset[_Person]],
        Field(description="Names that a system user may act under with `--as`, for accounts that several persons use."),
    ] = {}

    four_eyes: Annotated[
        frozenset[CaseTier],
        Field(description="Tiers in which a decision that closes a case needs a second person to confirm it."),
    ] = frozenset()
    due: Annotated[
        Mapping[CaseTier, str],
        Field(
            description="Days within which a case of a tier has to be looked at: `5 business days`, `15 days`, "
            "`mmsp-notice` (5 business days) or `mmsp-remedy` (15 days). Tiers that are left out keep the default."
        ),
    ] = _DUE
    holidays: Annotated[
        frozenset[date], Field(description="Days that are no business days, as dates such as 2026-12-25.")
    ] = frozenset()

    @field_validator("due")
    @classmethod
    def _are_periods(cls, value: Mapping[CaseTier, str]) -> Mapping[CaseTier, str]:
        for text in value.values():
            Period.parsed(text)
        return value

    @field_validator("store")
    @classmethod
    def _is_a_store(cls, value: str) -> str:
        is_file = value.startswith(SQLITE) and len(value) > len(SQLITE) and not value.startswith(f"{SQLITE}//")
        if not (is_file or value.startswith(_POSTGRESQL)) or not value.isprintable():
            raise ValueError("sqlite: and a path, or postgresql://user@host/database")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the form is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, and nothing else in."""
        return env_settings, init_settings


def place_of(store: str, folder: Path) -> Place:
    """Return the place of a store as the log takes it: a path, or an address."""
    return folder / store.removeprefix(SQLITE) if store.startswith(SQLITE) else store


# --------------------------------------------------------------------------- finding


def find_folder(given: Path | None, start: Path) -> Path | None:
    """Return the folder of the workspace: the one given, that of the environment, or the nearest around `start`.

    Raises:
        InputError: The one given or named holds no settings, or the one found belongs to somebody else.
    """
    named = os.environ.get(WORKSPACE_VARIABLE)
    chosen = given if given is not None else (Path(named) if named else None)
    if chosen is not None:
        if not (chosen / FILE).is_file():
            raise InputError("There is no workspace.", (problems.NO_WORKSPACE.at(chosen.name or "."),))
        return chosen
    found = next((folder for folder in (start, *start.parents) if (folder / FILE).is_file()), None)
    if found is not None and (found / FILE).lstat().st_uid not in {0, os.geteuid()}:
        said = f"settings that belong to somebody else than {system_user()}"
        raise InputError("Settings of somebody else.", (problems.SETTINGS_EXPOSED.at(FILE, found=said),))
    return found


# --------------------------------------------------------------------------- reading


def load_settings(folder: Path) -> Settings:
    """Read the settings of a workspace; InputError with all that is wrong."""
    text = _text(folder / FILE)
    found = list(_environment_problems(os.environ))
    try:
        stated = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("The settings cannot be used.", (_toml_problem(error), *found)) from error
    for name in [name for name in stated if name.startswith("_")]:  # pydantic-settings takes arguments of such names
        found.append(problems.SETTING_UNKNOWN.at(FILE, _line_of(text, [name]), name))
        del stated[name]
    try:
        settings = Settings(**stated)
    except (ValidationError, TypeError) as error:
        told = error.errors(include_url=False, include_input=False) if isinstance(error, ValidationError) else []
        found += [_setting_problem(text, one) for one in told]
        raise InputError("The settings cannot be used.", tuple(found)) from error
    if found:
        raise InputError("The settings cannot be used.", tuple(found))
    return settings


def _text(path: Path) -> str:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            about, content = os.fstat(file.fileno()), file.read(_LARGEST + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("Unreadable settings.", (problems.SETTINGS_UNREADABLE.at(FILE),)) from error
    if len(content) > _LARGEST:
        raise InputError("Unreadable settings.", (problems.SETTINGS_UNREADABLE.at(FILE, found="a file too large"),))
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        said = f"settings that others may change (mode {stat.S_IMODE(about.st_mode):04o})"
        raise InputError("Exposed settings.", (problems.SETTINGS_EXPOSED.at(FILE, found=said),))
    return text


def _environment_problems(environment: Mapping[str, str]) -> Iterable[Problem]:
    """Refuse variables of ours that say nothing, or that say what only the file may."""
    for variable in sorted(environment):
        name = variable.upper()
        if not name.startswith(PREFIX) or name == WORKSPACE_VARIABLE:
            continue
        setting = name.removeprefix(PREFIX).lower()
        if setting in FILE_ONLY:
            yield problems.FILE_ONLY.at(name)
        elif setting not in Settings.model_fields:
            yield problems.SETTING_UNKNOWN.at(name)


def _toml_problem(error: Exception) -> Problem:
    place = _AT_LINE.search(str(error))
    line, position = (int(place[1]), int(place[2])) if place else (None, None)
    return problems.TOML_WRONG.at(FILE, line, position=position)


def _setting_problem(text: str, error: ErrorDetails) -> Problem:
    place = [str(part) for part in error["loc"] if part != "[key]"]
    kind = _KINDS.get(error["type"], problems.SETTING_WRONG)
    variable = f"{PREFIX}{place[0].upper()}" if place else PREFIX
    is_from_environment = any(name.upper() == variable and value for name, value in os.environ.items())
    where = variable if is_from_environment else FILE
    line = None if is_from_environment else _line_of(text, place)
    expected = error["msg"].removeprefix("Value error, ") if kind is problems.SETTING_WRONG else None
    return kind.at(where, line, ".".join(place) or None, expected=expected)


def _line_of(text: str, place: list[str]) -> int | None:
    """Return the line that sets a value, as far as tables and keys on lines of their own tell."""
    table: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.fullmatch(line), _KEY.match(line)
        if header:
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            path = table
        elif key:
            path = [*table, key[1].strip("\"'")]
        else:
            continue
        if path == place[: len(path)] and (best is None or len(path) > best[0]):
            best = len(path), number
    return best[1] if best else None

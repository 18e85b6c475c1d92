"""Cases through the real command: from a finished run to a decided case, and back when something new comes."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cli.command import AS_OF, MERCHANT_COLUMNS, MERCHANTS, Inputs, Ran, merchantscreen, process
from workplace import Clock, Workplace
from workspace.places import made, opened, referral, settle, with_referrals

from merchantscreen.cases.logged import KINDS
from merchantscreen.cases.model import MEANINGS
from merchantscreen.referrals.history import register_of
from merchantscreen.tables import CaseHistory
from merchantscreen.vocabulary import CaseState, Disposition
from merchantscreen.workspace.access import system_user
from merchantscreen.workspace.cases import RunFrames, history_of, read_cases, screened_run

WHY: Final = "The declared site is the referred one."
MORE: Final = "400001,M2,Sister Shop,5732,NL,2026-08-01,https://amber-shop.example/,info@sister-shop.example,acct-1"
ME: Final = system_user()
PEOPLE: Final = (
    "[roles]", 'anna = ["analyst"]', 'ben = ["analyst"]', 'carla = ["lead"]', 'dora = ["auditor"]', 'emil = ["intake"]',
    "[people]", f'{ME} = ["anna", "ben", "carla", "dora", "emil"]',
)  # fmt: skip


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the only clock there is."""
    return Clock(datetime(2026, 11, 2, 9)).put_up(monkeypatch)


class Desk(Workplace):
    """A workspace with one confirmed referral, three small accounts, and a first run."""

    def __init__(self, folder: Path, data: Path) -> None:
        super().__init__(folder)
        data.mkdir()
        self.inputs = Inputs.good(data)
        with_referrals(folder, referral())

    def screen(self, run_id: str) -> None:
        """Screen the three accounts."""
        data = self.inputs.folder
        self.json("screen", "--merchants", data / "merchants.csv", "--transactions", data / "transactions.csv",
                  "--as-of", AS_OF, "--run-id", run_id)  # fmt: skip

    def decide(self, account: str, code: str, *more: str, reason: str = WHY) -> Ran:
        """Decide."""
        return self.run("decide", account, "--disposition", code, "--reason", reason, *more)

    def states(self) -> dict[str, str]:
        """Return the state of every case by account."""
        return {one["account_id"]: one["state"] for one in self.json("cases", "list", "--all")["cases"]}


@pytest.fixture
def worked(tmp_path: Path, clock: Clock) -> Desk:
    """Give a test a workspace in a file with one run in it."""
    desk = Desk(made(tmp_path / "desk").folder, tmp_path / "data")
    desk.screen("r1")
    return desk


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Give several tests one workspace with a run, which none of them decides in."""
    folder = tmp_path_factory.mktemp("shared")
    desk = Desk(made(folder / "desk").folder, folder / "data")
    desk.screen("r1")
    return desk


# --------------------------------------------------------------------------- the way of a case


def test_a_case_is_decided_reopened_and_decided_again_in_both_stores(tmp_path: Path, store: str, clock: Clock) -> None:
    """One story in every kind of store: listed, given, decided, unchanged, reopened with what is new named."""
    desk = Desk(made(tmp_path / "desk", store).folder, tmp_path / "data")
    desk.screen("r1")
    listed = desk.json("cases", "list")["cases"]
    first = listed[0]
    assert (first["number"], first["account_id"], first["state"]) == ("C-000001", "400001/M1", "new")
    assert first["due_on"] == "2026-11-09" if first["tier"] == "T1" else "2026-11-17"
    (recorded, cases) = desk.events()[-2:]
    assert (recorded["kind"], cases["kind"]) == ("run.recorded", "cases.listed")
    assert cases["body"]["manifest_sha256"] == recorded["body"]["manifest_sha256"]
    assert [one["account_id"] for one in cases["body"]["accounts"]] == [one["account_id"] for one in listed]

    assert desk.json("cases", "assign", "C-000001", "--to", ME)["log_index"] == len(desk.events()) - 1
    assert [one["account_id"] for one in desk.json("cases", "list", "--mine")["cases"]] == ["400001/M1"]
    done = desk.json("decide", "400001/M1", "--disposition", "false_match", "--reason", WHY)
    assert (done["state"], done["disposition"], done["is_proposal"]) == ("decided", "false_match", False)
    assert done["decisions"][0]["reason"] == WHY
    assert WHY not in json.dumps(desk.events())
    assert "400001/M1" not in {one["account_id"] for one in desk.json("cases", "list")["cases"]}

    desk.screen("r2")
    assert desk.states()["400001/M1"] == "decided"
    desk.inputs.write("merchants.csv", [MERCHANT_COLUMNS, MERCHANTS[0], MORE, MERCHANTS[2]])
    clock.at += timedelta(days=20)
    desk.screen("r3")
    shown = desk.json("cases", "show", "c-000001")
    assert (shown["state"], shown["run_id"]) == ("reopened", "r3")
    new = {(one["kind"], one["counterpart"]) for one in shown["new_items"]}
    assert new == {("settlement_account", "acct-1"), ("website", "amber-shop.example")}
    assert [one["reopens"] for one in shown["listings"]] == [False, False, True]
    assert desk.json("decide", "C-000001", "--disposition", "no_action", "--reason", WHY)["state"] == "decided"
    assert desk.run("log", "verify").code == 0


def test_from_a_finished_run_to_a_case_file_in_three_commands(
    worked: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Screened, decided, and the command that `decide` says comes next, typed with a purpose."""
    monkeypatch.chdir(worked.place)
    ran = merchantscreen("decide", "C-000001", "--disposition", "refer_to_acquirer", "--reason", WHY)
    assert ran.code == 0, ran.err
    (command,) = re.findall(r"^Next: merchantscreen (.+)$", ran.out, re.MULTILINE)
    handed = merchantscreen(*shlex.split(command.replace("WHY", "hand-over to the acquirer")))
    assert handed.code == 0, handed.err
    assert list((worked.place / "case-C-000001").iterdir())


def test_every_command_that_is_shown_can_be_typed(worked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `cases list` and `cases show` say comes next works as it stands, with CODE and WHY filled in."""
    monkeypatch.chdir(worked.place)
    (show,) = re.findall(r"^Next: merchantscreen (.+)$", merchantscreen("cases", "list").out, re.MULTILINE)
    ran = merchantscreen(*shlex.split(show))
    commands = re.findall(r"^  merchantscreen (.+)$", ran.out, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["explain", "decide"]
    for command in commands:
        ran = merchantscreen(*shlex.split(command.replace("CODE", "no_action").replace("WHY", WHY)))
        assert ran.code == 0, ran.err


def test_an_account_that_left_is_told_and_can_be_decided_on_its_last_run(worked: Desk) -> None:
    """Its referral was taken back: the case stays, asks for another look, and the old run is named to decide on."""
    assert worked.decide("C-000001", "refer_to_acquirer").code == 0
    with_referrals(worked.place, referral(event="retracted", issued_at="2026-10-20T09:00:00Z", reason_code="mistake"))
    assert worked.states()["400001/M1"] == "revisit"
    worked.screen("r2")
    shown = worked.json("cases", "show", "C-000001")
    assert (shown["state"], shown["tier"], shown["withdrawn"]) == ("revisit", None, ["R-000001"])
    refused = worked.decide("C-000001", "referral_withdrawn")
    assert refused.codes == ["MS-CSE-011"]
    assert worked.decide("C-000001", "referral_withdrawn", "--run", "r1").code == 0
    assert worked.states()["400001/M1"] == "decided"
    assert "no longer ranked" in worked.run("cases", "list", "--all").out


# --------------------------------------------------------------------------- four eyes, roles


def test_in_a_tier_of_four_eyes_another_person_confirms(worked: Desk) -> None:
    """Who proposes does not confirm; until somebody else does, nothing is decided."""
    settle(worked.place, 'four_eyes = ["T1", "T2", "T3"]', *PEOPLE)
    ran = worked.decide("C-000001", "no_link_found", "--as", "anna")
    assert (ran.code, "proposed by anna" in ran.out, "--confirm" in ran.out) == (0, True, True)
    confirm = ("decide", "C-000001", "--confirm", "--reason", "I looked at it too.")
    assert worked.run(*confirm, "--as", "anna").codes == ["MS-CSE-018"]
    assert worked.decide("C-000001", "no_link_found", "--as", "ben").codes == ["MS-CSE-016"]
    assert worked.run(*confirm, "--disposition", "no_action", "--as", "ben").codes == ["MS-CSE-019"]
    assert worked.run(*confirm, "--as", "ben").code == 0
    assert worked.run(*confirm, "--as", "carla").codes == ["MS-CSE-017"]
    shown = json.loads(worked.run("cases", "show", "C-000001", "--as", "dora", "--json").out)
    assert shown["state"] == "decided"
    assert (shown["decisions"][0]["proposed_by"], shown["decisions"][0]["actor"]) == ("anna", "ben")
    asked = worked.decide("C-000001", "request_information", "--as", "anna")
    assert (asked.code, "state waiting, due" in asked.out) == (0, True)


@pytest.mark.parametrize(
    ("person", "words", "is_allowed"),
    [
        ("emil", ("cases", "list"), False),
        ("dora", ("cases", "list"), True),
        ("dora", ("cases", "show", "C-000001"), True),
        ("dora", ("cases", "assign", "C-000001", "--to", "dora"), False),
        ("dora", ("decide", "C-000001", "--disposition", "no_action", "--reason", WHY), False),
        ("anna", ("cases", "assign", "C-000001", "--to", "anna"), True),
        ("anna", ("cases", "assign", "C-000001", "--to", "ben"), False),
        ("carla", ("cases", "assign", "C-000001", "--to", "ben"), True),
    ],
)
def test_roles_say_who_may_do_what(shared: Desk, person: str, words: tuple[str, ...], is_allowed: bool) -> None:
    """Analysts take and decide, leads give, auditors read; what is refused is in the log."""
    settle(shared.place, *PEOPLE)
    ran = shared.run(*words, "--as", person)
    settle(shared.place)
    assert (ran.code, ran.codes) == ((0, []) if is_allowed else (2, ["MS-WSP-020"])), ran.err


def test_a_case_is_given_to_people_who_work_on_cases_only(worked: Desk) -> None:
    """An unknown name, an auditor, or no name at all gets none; giving it twice records it once."""
    settle(worked.place, *PEOPLE)
    for name in ("nobody", "dora", "a b", ""):
        assert worked.run("cases", "assign", "C-000001", "--to", name, "--as", "carla").codes == ["MS-CSE-021"]
    for said in ("has it now", "had it already"):
        assert said in worked.run("cases", "assign", "C-000001", "--to", "ben", "--as", "carla").out


# --------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("account", "more", "reason", "codes"),
    [
        ("400001/M9", (), WHY, ["MS-CSE-010"]),
        ("C-000099", (), WHY, ["MS-CSE-010"]),
        ("C-000001", ("--disposition", "no_links"), WHY, ["MS-CSE-014"]),
        ("C-000001", ("--disposition", ""), WHY, ["MS-CSE-014"]),
        ("C-000001", ("--disposition", "duplicate"), WHY, ["MS-CSE-020"]),
        ("C-000001", ("--disposition", "duplicate", "--duplicate-of", "C-000001"), WHY, ["MS-CSE-020"]),
        ("C-000001", ("--disposition", "duplicate", "--duplicate-of", "C-000077"), WHY, ["MS-CSE-010"]),
        ("C-000001", ("--duplicate-of", "C-000002"), WHY, ["MS-CSE-020"]),
        ("C-000001", ("--run", "r9"), WHY, ["MS-CSE-012"]),
        ("C-000001", ("--confirm",), WHY, ["MS-CSE-017"]),
        ("C-000001", (), "  a ", ["MS-CSE-030"]),
        ("C-000001", (), "x" * 1001, ["MS-CSE-030"]),
        ("C-000001", (), "paid with 4111 1111 1111 1111", ["MS-CSE-032"]),
        ("C-000001", (), "see https://shop.example/a/b", ["MS-CSE-033"]),
        ("C-000001", (), "see shop[.]example/a/b", ["MS-CSE-033"]),
        ("C-000001", (), "see hxxps://shop.example", ["MS-CSE-033"]),
        ("C-000001", (), "write to ann@shop.example", ["MS-CSE-033"]),
        ("C-000001", (), "red \x1b[31m text", ["MS-CSE-031"]),
        ("C-000001", (), "two\nlines", ["MS-CSE-031"]),
        ("C-000001", (), "hidden \u202e text", ["MS-CSE-031"]),
        ("C-000009", ("--disposition", "x"), "4111111111111111\n", ["MS-CSE-010", "MS-CSE-032", "MS-CSE-014"]),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_refused_with_all_reasons_and_recorded_nowhere(
    shared: Desk, account: str, more: tuple[str, ...], reason: str, codes: list[str]
) -> None:
    """Found, expected, what to do, never a word of the reason; and the log does not grow."""
    size = len(shared.events())
    given = () if "--disposition" in more else ("--disposition", "no_action")
    ran = shared.run("decide", account, *given, *more, "--reason", reason)
    assert (ran.code, ran.codes) == (2, codes), ran.err
    assert "Fix: " in ran.err
    assert not {"4111", "\x1b", "shop", "\u202e"} & set(re.findall(r"4111|\x1b|shop|\u202e", ran.err))
    assert len(shared.events()) == size


def test_the_same_decision_is_not_recorded_twice(worked: Desk, clock: Clock) -> None:
    """Another one may follow, and information may be asked for again once its day is over."""
    assert worked.decide("C-000001", "no_action").code == 0
    again = worked.decide("C-000001", "no_action", reason="In other words.")
    assert (again.code, again.codes) == (2, ["MS-CSE-015"])
    assert f"no_action by {ME}, log" in again.err
    assert worked.decide("C-000001", "request_information").code == 0
    assert worked.decide("C-000001", "request_information").codes == ["MS-CSE-015"]
    clock.at += timedelta(days=30)
    assert "overdue by" in worked.run("cases", "list").out
    assert worked.decide("C-000001", "request_information").code == 0


def test_a_run_that_was_changed_or_removed_is_not_decided_on(worked: Desk) -> None:
    """What the log recorded is what counts."""
    manifest = worked.place / "runs" / "r1" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"run_id":"r1"', b'"run_id":"r7"'))
    ran = worked.decide("C-000001", "no_action")
    assert (ran.code, ran.codes) == (4, ["MS-CSE-013"])
    manifest.parent.rename(worked.place / "elsewhere")
    assert worked.decide("C-000001", "no_action").codes == ["MS-CSE-012"]


# --------------------------------------------------------------------------- reasons, bundles, others


def test_an_erased_reason_leaves_the_tree_and_the_case(worked: Desk) -> None:
    """The log verifies as before, the decision stands, and the reason is said to be erased."""
    index = worked.json("decide", "C-000001", "--disposition", "no_action", "--reason", WHY)["log_index"]
    assert WHY in worked.run("cases", "show", "C-000001").out
    assert worked.run("log", "erase", str(index), "reason", "--reason", "request 7").code == 0
    assert worked.run("log", "verify").code == 0
    shown = worked.run("cases", "show", "C-000001")
    assert (shown.code, WHY in shown.out, "reason erased" in shown.out, "no_action" in shown.out) == (
        0,
        False,
        True,
        True,
    )
    assert worked.json("cases", "show", "C-000001")["decisions"][0]["reason"] is None


def test_the_table_of_a_run_is_that_of_the_log_it_worked_with(worked: Desk) -> None:
    """Decisions that come later change nothing in it: a run made again says the same."""
    assert worked.decide("C-000001", "no_action").code == 0
    with opened(worked.place) as place:
        known = read_cases(place)
        run = screened_run(place, known, None)
        size, register = known.cases.size, register_of(known.history, datetime(2026, 11, 1))
        frames = RunFrames(run.bundle.ranking, run.bundle.ledger, run.bundle.manifest.model["account_rounds"])
        key_id = run.view.pseudonym_key_id
        before = history_of(place, size, register, frames, key_id)
    assert worked.decide("C-000001", "shared_host").code == 0
    with opened(worked.place) as place:
        after = history_of(place, size, register, frames, key_id)
        now = history_of(place, size + 1, register, frames, key_id)
    assert CaseHistory.validate(before).equals(after)
    assert [row["disposition"] for row in now.to_dicts() if row["account_id"] == "400001/M1"] == [
        "no_action",
        "shared_host",
    ]


def test_who_takes_back_is_told_what_was_decided_and_the_hotline_what_was_done(worked: Desk) -> None:
    """A dispute lists the decisions on the referral; a receipt counts what was acted on and what is left."""
    settle(worked.place)
    assert worked.decide("C-000001", "refer_to_acquirer").code == 0
    receipt = worked.json("referrals", "receipt", "hotline-a")["receipts"][0]["referrals"][0]
    cases = len(worked.states())
    assert (receipt["action_taken"], receipt["under_review"]) == (1, cases - 1)
    said = worked.json("referrals", "dispute", "R-000001", "--reason-code", "doubt")
    assert [(one["number"], one["disposition"]) for one in said["dispositions"]] == [("C-000001", "refer_to_acquirer")]


# --------------------------------------------------------------------------- how it looks


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_the_queue_and_a_case_fit_any_terminal_and_are_plain_in_a_pipe(worked: Desk, width: str) -> None:
    """Number, state, tier and account stay whole on a narrow terminal; no control byte leaves."""
    for words in (("cases", "list"), ("cases", "show", "C-000001")):
        ran = process(*words, "--workspace", worked.place, COLUMNS=width)
        assert ran.code == 0, ran.err
        assert "\x1b" not in ran.out
        assert "C-000001" in ran.out
        table = [line for line in ran.out.splitlines() if "merchantscreen" not in line and "Cases " not in line]
        head = [line for line in table if "·" not in line]
        assert max(len(line.rstrip()) for line in head) <= int(width)


def test_foreign_text_acts_on_no_terminal(tmp_path: Path, clock: Clock) -> None:
    """Names and links are shown, never obeyed: no control byte, no live address."""
    desk = Desk(made(tmp_path / "desk").folder, tmp_path / "data")
    name = "400001,M1,ACME [/] \u202eLTD,5732,NL,2026-09-01,https://amber-shop.example/,owner@amber-shop.example,acct-1"
    desk.inputs.write("merchants.csv", [MERCHANT_COLUMNS, name, *MERCHANTS[1:]])
    desk.screen("r1")
    assert desk.decide("C-000001", "no_action", reason="Looked at amber-shop.example and [bold]more[/bold].").code == 0
    out = desk.run("cases", "list", "--all").out + desk.run("cases", "show", "C-000001").out
    assert "ACME [/] \\u202eLTD" in out
    assert "amber-shop.example" not in out
    assert "[bold]more[/bold]" in out
    assert "\u202e" not in out


# --------------------------------------------------------------------------- the page


def test_every_command_of_the_page_works(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """The commands of docs/cases.md, in their order and in one workspace, all end well."""
    folder = made(tmp_path / "desk").folder
    with_referrals(folder, referral())
    settle(
        folder,
        'four_eyes = ["T1", "T2"]',
        'pseudonym_key = "keys/pseudonym.key"',
        "[people]",
        f'{ME} = ["anna", "ben"]',
    )
    Inputs.good(folder)
    monkeypatch.chdir(folder)
    page = (repository / "docs" / "cases.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    assert len(lines) > 8
    for line in lines:
        ran = merchantscreen(*shlex.split(line)[1:])
        assert (ran.code, line) == (0, line), ran.err


def test_the_page_names_every_disposition_state_and_kind_of_event(repository: Path) -> None:
    """What the code knows is on the page, with the sentence the code has."""
    page = (repository / "docs" / "cases.md").read_text(encoding="utf-8")
    words = [*(f"| `{one}` |" for one in (*Disposition, *CaseState)), *KINDS, *(one.text for one in MEANINGS.values())]
    assert [word for word in words if word not in page] == []

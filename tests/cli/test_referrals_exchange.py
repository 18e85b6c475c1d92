"""The verbs of `referrals`, run as commands: in, held back, taken back, listed, told, and passed on."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest
from cli.command import Ran, merchantscreen
from exchange import network
from exchange.desk import PROTECTED, SITE, Desk, confirms
from importers.foreign_files import SECRET, report
from unit.referral_examples import confirmation
from workplace import Clock

from merchantscreen.cli.referrals.common import decided
from merchantscreen.cli.referrals.officers import SIGNED, TRANSCRIPTION_TYPE
from merchantscreen.cli.referrals.signed import UNREAD
from merchantscreen.cli.workspaces import opened
from merchantscreen.eventlog.records import Draft
from merchantscreen.outputs.receipts import Receipt
from merchantscreen.referrals import envelope
from merchantscreen.referrals.admission import CODES
from merchantscreen.referrals.history import Folding
from merchantscreen.referrals.keys import VerifyKey
from merchantscreen.referrals.logged import KINDS
from merchantscreen.referrals.reading import _is_deep
from merchantscreen.referrals.statements import read_statement
from merchantscreen.referrals.streams import Outcome, Reason
from merchantscreen.vocabulary import Assurance
from merchantscreen.workspace.access import system_user

DESK = "referral_id,issued_at,domain,received_at\nD-1,2026-10-01T09:00:00Z,desk-shop.example,2026-09-30\n"


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    """Make a workspace that has accepted the network's trust file."""
    return Desk(tmp_path, clock)


# --------------------------------------------------------------------------- the whole way


def test_from_import_to_receipt(desk: Desk) -> None:
    """Two hotlines refer a site: one domain, two sources; one takes it back: the run is named; a receipt says so."""
    north, south = network.north(), network.south()
    ran = desk.send(confirms(north), confirms(south))
    assert ran.code == 0, ran.err
    assert "2 statements read: 2 accepted, 0 duplicate, 0 quarantined, 0 refused" in ran.out
    screened = desk.screen("r1")
    assert screened["counts"]["flagged_domain_count"] == 1
    assert screened["totals"]["referrals"]["rows_accepted"] == 2
    ranking = (desk.place / "runs" / "r1" / "ranking.csv").read_text(encoding="utf-8")
    assert "hotline-north" in ranking
    assert "hotline-south" in ranking

    ran = desk.send(north.states(event="retracted", reason_code="mistaken-site", issued_at="2026-10-15T11:30:00Z"))
    assert ran.code == 0, ran.err
    assert "R-000001 was used in 1 run" in ran.out
    assert "  r1  as of 2026-11-01T00:00:00Z" in ran.out
    assert desk.states() == {"R-000001": "retracted", "R-000002": "confirmed"}
    status = desk.json("referrals", "status", "R-000001")
    assert [run["run_id"] for run in status["runs"]] == ["r1"]
    assert [(one["event"], one["seq"], one["log_index"]) for one in status["statements"]] == [
        ("confirmed", 1, 2), ("retracted", 2, 7),
    ]  # fmt: skip
    assert [(one["number"], one["state"]) for one in status["opinions"]] == [("R-000002", "confirmed")]
    assert desk.screen("r2")["counts"]["flagged_domain_count"] == 1  # the other hotline stands by it

    out = desk.folder / "receipt.dsse.jsonl"
    desk.json("referrals", "receipt", "hotline-south", "--out", out)
    public = VerifyKey.parsed((desk.place / "keys" / "receipt.pub").read_text(encoding="utf-8").strip())
    (line,) = out.read_bytes().splitlines()
    receipt = Receipt.model_validate_json(envelope.verify(line, envelope.RECEIPT_TYPE, [public]).payload)
    (said,) = receipt.referrals
    ran = merchantscreen("referrals", "verify-receipt", out, "--key", str(public))
    assert (ran.code, "2 accounts linked, 1 under review" in ran.out) == (0, True)
    assert merchantscreen("referrals", "verify-receipt", out, "--key", str(network.NORTH.verify_key)).code == 6
    assert (said.referral_id, said.run_count, said.accounts_linked, said.under_review) == ("R-1", 2, 2, 1)
    assert not {"M1", "Amber", "400001"} & set(re.findall(r"\w+", receipt.payload().decode()))
    assert (desk.place / "keys" / "receipt.key").stat().st_mode & 0o777 == 0o600
    assert [one["body"]["issuer"] for one in desk.events("receipt.issued")] == ["hotline-south"]
    assert desk.run("log", "verify").code == 0


def test_what_was_sent_before_changes_nothing(desk: Desk) -> None:
    """The same file a second time is all duplicates, and the log does not grow."""
    data = [confirms(network.north()), confirms(network.south())]
    assert desk.send(*data).code == 0
    size = len(desk.events())
    again = desk.sent(*data)
    assert (again["read"], again["duplicate"]) == (2, 2)
    assert len(desk.events()) == size


# --------------------------------------------------------------------------- refused and held back


def test_a_wrong_key_and_a_gap_end_with_6(desk: Desk) -> None:
    """Nothing that is not signed as it has to be counts; a gap names what is missing; others go on."""
    north = network.north()
    first, second = confirms(north), north.states(event="site_down", issued_at="2026-10-15T11:10:00Z")
    stranger = network.Hotline("hotline-west", [network.key("stranger")])
    ran = desk.send(second, confirms(stranger), confirms(network.south()))
    assert (ran.code, ran.codes) == (6, ["MS-EXC-060", "MS-EXC-012"])
    assert "number 1 missing" in ran.err
    assert desk.states() == {"R-000001": "confirmed"}
    foreign = network.Hotline("hotline-north", [network.SOUTH])
    ran = desk.send(confirms(foreign))
    assert (ran.code, ran.codes) == (6, ["MS-EXC-066"])
    assert desk.send(first, second).code == 0
    assert sum(one["outcome"] == "refused" for one in desk.sent(first)["statements"]) == 0
    refused = desk.json("referrals", "list")["refused"]
    assert [(one["issuer"], one["reason"]) for one in refused] == [
        ("hotline-north", "gap"), ("hotline-north", "untrusted"),
    ]  # fmt: skip


def test_a_fork_and_a_statement_for_others_are_refused(desk: Desk) -> None:
    """Two streams under one name end with 6; another audience and the future are refused without."""
    north = network.north()
    twin = network.north()
    assert desk.send(confirms(north)).code == 0
    ran = desk.send(confirms(twin, "other-shop.example"))
    assert (ran.code, ran.codes) == (6, ["MS-EXC-061"])
    elsewhere = network.Hotline("hotline-south", [network.SOUTH], audience="network-two")
    ran = desk.send(confirms(elsewhere), confirms(network.west(), issued_at="2027-10-15T11:00:00Z"))
    assert (ran.code, ran.codes) == (65, ["MS-EXC-064", "MS-EXC-065"])


def test_a_flood_waits_for_a_lead(desk: Desk) -> None:
    """A hotline's twentieth site on its first day waits; a reason and a lead release it; a number says what counts."""
    north = network.north()
    data = [confirms(north, f"site-{n}.example", referral_id=f"N-{n}") for n in range(22)]
    said = desk.sent(*data)
    assert (said["accepted"], said["quarantined"]) == (19, 3)
    assert list(desk.states().values()).count("waiting") == 3
    assert desk.run("referrals", "release", "R-000020", "--reason", "ok").code == 2
    one = desk.json("referrals", "release", "R-000020", "--reason", "asked the hotline")["released"]
    assert [(each["number"], each["counts"]) for each in one] == [("R-000020", True)]
    assert (
        len(desk.json("referrals", "release", "--hotline", "hotline-north", "--reason", "asked them")["released"]) == 2
    )
    assert set(desk.states().values()) == {"confirmed"}
    ran = desk.run("referrals", "release", "R-000020", "--reason", "again")
    assert (ran.code, ran.codes) == (2, ["MS-RFL-015"])
    assert len(desk.events("referral.released")) == 3


def test_a_protected_host_needs_two_and_a_look(desk: Desk) -> None:
    """One hotline and an officer are not enough for a protected host; the second hotline and a second look are."""
    ran = desk.send(confirms(network.north(), PROTECTED))
    assert (ran.code, ran.codes) == (0, ["MS-EXC-071"])
    index = desk.json("referrals", "list")["referrals"][0]["waiting"][0]["log_index"]
    ran = desk.run("referrals", "release", str(index), "--reason", "seen by me")
    assert "it waits for another organisation" in ran.out
    assert desk.states() == {"R-000001": "waiting"}
    assert desk.send(confirms(network.south(), PROTECTED)).code == 0
    status = desk.json("referrals", "status", "R-000001")
    assert [(one["number"], one["state"]) for one in status["opinions"]] == [("R-000002", "waiting")]
    assert desk.run("referrals", "release", "R-000002", "--reason", "seen by me").code == 0
    assert desk.states() == {"R-000001": "confirmed", "R-000002": "confirmed"}


def test_silence_ends_with_7_if_asked(desk: Desk) -> None:
    """A hotline that was never heard is named; without the question nobody minds."""
    path = desk.folder / "one.dsse.json"
    path.write_bytes(confirms(network.north()))
    ran = desk.run("referrals", "import", path, "--require-fresh", "24")
    assert (ran.code, ran.codes) == (7, ["MS-RFL-005", "MS-RFL-005"])
    assert desk.states() == {"R-000001": "confirmed"}


# --------------------------------------------------------------------------- two officers


def test_a_transcribed_list_needs_two_officers(desk: Desk) -> None:
    """The first signature waits in a file; with the second the list is recorded, once, with both signatures."""
    path = desk.folder / "list.jsonl"
    path.write_text(json.dumps(confirmation(reporting_hotline_id="hotline-paper")) + "\n", encoding="utf-8")
    gathered = desk.folder / "list.signatures"
    ran = desk.run("referrals", "intake", path, *desk.first)
    assert (ran.code, ran.codes) == (2, ["MS-EXC-081"])
    ran = desk.run("referrals", "intake", path, *desk.first, "--signatures", gathered)
    assert ran.code == 0
    assert "Nothing is recorded until a second officer signs" in ran.out
    assert desk.states() == {}
    ran = desk.run("referrals", "intake", path, *desk.first, "--signatures", gathered)
    assert (ran.code, ran.codes) == (65, ["MS-EXC-011"])  # one officer twice is one officer
    wrong = desk.officer("Officer 2", network.THIRD_OFFICER)
    assert desk.run("referrals", "intake", path, *wrong, "--signatures", gathered).codes == ["MS-RFL-011"]
    assert desk.run("referrals", "intake", path, *desk.second, "--signatures", gathered).code == 0
    (one,) = desk.json("referrals", "list")["referrals"]
    assert (one["state"], one["assurance"]) == ("confirmed", "transcribed")
    (proof,), (recorded,) = desk.events("transcription.signed"), desk.events("referral.transcribed")
    assert recorded["body"]["officers"] == ["Officer 1", "Officer 2"] == proof["body"]["officers"]
    again = desk.json("referrals", "intake", path, *desk.first, *desk.second)
    assert (again["is_recorded"], again["is_repetition"]) == (False, True)
    path.write_text(path.read_text(encoding="utf-8").replace("shop.example", "shop.test"), encoding="utf-8")
    assert desk.run("referrals", "intake", path, *desk.second, "--signatures", gathered).codes == ["MS-RFL-010"]
    assert desk.run("referrals", "intake", path, *desk.first, *desk.second, "--list-sha256", "0" * 64).code == 65
    with gathered.open("rb") as file:
        keys = [network.FIRST_OFFICER.verify_key]
        assert len(envelope.verify_some(file.read(), TRANSCRIPTION_TYPE, keys).key_ids) == 1


def test_the_network_retracts_with_two_and_disputes_with_one(desk: Desk) -> None:
    """A dispute marks and removes nothing; a retraction by two officers clears, and names the run to look at again."""
    desk.send(confirms(network.north()))
    desk.screen("r1")
    said = desk.json("referrals", "dispute", "R-000001", "--reason-code", "owner-wrote")
    assert [one["run_id"] for one in said["revisit"]] == ["r1"]
    assert desk.states() == {"R-000001": "disputed"}
    words = ("referrals", "retract", "R-000001", "--reason-code", "by-telephone")
    assert desk.run(*words, *desk.first).codes == ["MS-EXC-081"]
    assert desk.states() == {"R-000001": "disputed"}
    ran = desk.run(*words, *desk.first, *desk.second)
    assert ran.code == 0
    assert "  r1  as of 2026-11-01T00:00:00Z" in ran.out
    assert desk.states() == {"R-000001": "retracted"}
    assert desk.run(*words, *desk.first, *desk.second).codes == ["MS-RFL-013"]
    assert desk.run("referrals", "retract", "R-000009", "--reason-code", "x").codes == ["MS-RFL-001"]


# --------------------------------------------------------------------------- without signatures


def test_a_file_with_content_is_refused_before_anything_is_written(desk: Desk) -> None:
    """One report that carries content refuses all files, its content is not shown, and the log stays as it was."""
    size = len(desk.events())
    good, bad = desk.folder / "good.json", desk.folder / "bad.json"
    good.write_text(json.dumps(report()), encoding="utf-8")
    evidence = [{"content_type": "image/png", "payload": SECRET, "hash": "sha256:0"}]
    bad.write_text(json.dumps(report(evidence=evidence)), encoding="utf-8")
    ran = desk.run("referrals", "import", good, bad, "--format", "xarf", "--hotline", "hotline-north")
    assert ran.code == 65
    assert ran.codes
    assert SECRET not in ran.err + ran.out
    assert len(desk.events()) == size
    assert desk.states() == {}


def test_an_unsigned_file_is_unsigned_and_never_confirms_itself(desk: Desk) -> None:
    """What was left out is told, a second import records nothing, and only the caller's word confirms."""
    path = desk.folder / "report.json"
    path.write_text(json.dumps(report()), encoding="utf-8")
    words = ("referrals", "import", path, "--format", "xarf", "--hotline", "hotline-north")
    ran = desk.run(*words)
    assert ran.code == 0
    assert SECRET not in ran.out
    assert "an address was cut down to its host" in ran.out
    (one,) = desk.json("referrals", "list")["referrals"]
    assert (one["state"], one["assurance"]) == ("awaiting_confirmation", "unsigned")
    size = len(desk.events())
    assert "not recorded again" in desk.run(*words).out
    assert len(desk.events()) == size
    assert desk.json(*words, "--confirmed-by-reporter")["files"][0]["accepted"] == 1
    assert desk.run("referrals", "import", path, "--hotline", "x").codes == ["MS-RFL-004"]
    gone = desk.folder / "gone.dsse.jsonl"
    assert desk.run("referrals", "import", path, gone).codes == ["MS-RFL-002", "MS-RUN-008"]


# --------------------------------------------------------------------------- looking and passing on


def test_a_look_up_is_recorded_before_it_is_answered(desk: Desk) -> None:
    """Hosts are hidden; shown with a purpose they are defanged, and the log knows, even if nothing was found."""
    desk.send(confirms(network.north()))
    assert SITE not in desk.run("referrals", "list").out
    assert "domain" not in desk.json("referrals", "status", "R-000001")["facts"]
    ran = desk.run("referrals", "list", "--show-domains")
    assert (ran.code, ran.codes) == (2, ["MS-WSP-022"])
    ran = desk.run("referrals", "list", "--show-domains", "--purpose", "weekly review")
    assert "amber-shop[.]example" in ran.out
    assert SITE not in ran.out
    words = ("--show-domains", "--purpose", "a merchant asked")
    assert desk.json("referrals", "status", "R-000001", *words)["facts"]["domain"] == "amber-shop[.]example"
    assert desk.run("referrals", "status", "R-000002", *words).code == 2
    assert [one["body"]["purpose"] for one in desk.events("lookup")] == [
        "weekly review", "a merchant asked", "a merchant asked",
    ]  # fmt: skip


def test_an_export_holds_what_may_leave_and_is_recorded(desk: Desk) -> None:
    """TLP keeps a referral here; what leaves is STIX without any merchant; an existing file is never written over."""
    north = network.north()
    desk.send(confirms(north), confirms(north, "other-shop.example", referral_id="N-2", tlp="red"))
    out = desk.folder / "partners.json"
    said = desk.json("referrals", "export", "--out", out)
    assert (said["indicators"], said["left_out"]) == (1, {"restricted": 1})
    kinds = [one["type"] for one in json.loads(out.read_bytes())["objects"]]
    assert sorted(kinds) == ["identity", "indicator", "marking-definition"]
    (made,) = desk.events("export.made")
    assert made["body"] == {"kind": "stix", "sha256": said["sha256"]}
    assert desk.run("referrals", "export", "--out", out).code == 73
    assert len(desk.events("export.made")) == 1


def test_roles_decide_who_may(desk: Desk) -> None:
    """Intake takes in, does not release or export; the refusal is in the log."""
    settings = desk.place / "merchantscreen.toml"
    text = settings.read_text(encoding="utf-8").replace("[roles]", '[roles]\nintern = ["intake"]')
    settings.write_text(text.replace("[people]", f'[people]\n{system_user()} = ["intern"]'), encoding="utf-8")
    path = desk.folder / "one.dsse.json"
    path.write_bytes(confirms(network.north()))
    acting = ("--as", "intern")
    assert desk.run("referrals", "import", path, *acting).code == 0
    assert desk.run("referrals", "list", *acting).code == 0
    assert desk.run("referrals", "export", "--out", desk.folder / "x.json", *acting).codes == ["MS-WSP-020"]
    assert desk.run("referrals", "release", "R-000001", "--reason", "seen it", *acting).codes == ["MS-WSP-020"]
    purpose = ("--show-domains", "--purpose", "curious")
    assert desk.run("referrals", "list", *purpose, *acting).codes == ["MS-WSP-020"]


def test_a_decision_is_made_anew_if_the_log_has_grown(desk: Desk) -> None:
    """What somebody else recorded meanwhile is part of what is decided on; nothing is recorded twice."""
    seen: list[int] = []

    def decide(folding: Folding) -> tuple[list[Draft], int]:
        if not seen:
            assert desk.send(confirms(network.north())).code == 0
        seen.append(folding.size)
        return [place.draft("test.decided", {"size": folding.size})], folding.size

    with opened(desk.place) as place:
        assert decided(place, decide) == 3
    assert seen == [2, 3]
    assert [(one["index"], one["body"]) for one in desk.events("test.decided")] == [(3, {"size": 3})]


def test_many_referrals_make_several_receipts(desk: Desk) -> None:
    """A receipt holds a hundred referrals; each of them is signed and all are checked together."""
    path, out = desk.folder / "desk.csv", desk.folder / "receipt.dsse.jsonl"
    rows = (f"D-{n},2026-10-01T09:00:00Z,desk-{n}.example,2026-09-30" for n in range(130))
    path.write_text("referral_id,issued_at,domain,received_at\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert desk.run("referrals", "import", path, "--format", "csv", "--hotline", "hotline-desk").code == 0
    said = desk.json("referrals", "receipt", "hotline-desk", "--out", out)
    assert [len(one["referrals"]) for one in said["receipts"]] == [100, 30]
    ran = merchantscreen("referrals", "verify-receipt", out, "--key", said["public_key"], "--json")
    assert json.loads(ran.out)["receipts"] == said["receipts"]
    assert desk.run("referrals", "receipt", "hotline-nobody").codes == ["MS-RFL-016"]


# --------------------------------------------------------------------------- the page


def test_every_command_of_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock, repository: Path
) -> None:
    """A hotline with its chapter only, and a network with the rest: ten sites, one corrected, one retracted, a receipt.

    Both sides have a folder of their own; what one sends is copied to the other. The receipt is read last.
    """
    clock.at = network.NOW
    page = (repository / "docs" / "exchange.md").read_text(encoding="utf-8")
    before, chapter, rest = re.split(r"^## For (?:a hotline|the officers)$", page, flags=re.MULTILINE)
    assert _commands(before) == []
    *hotline, reads_receipt = _commands(chapter)
    home, away = tmp_path / "hotline", tmp_path / "network"
    home.mkdir()
    (home / "october.csv").write_text(_example(page, "october.csv") + "\n", encoding="utf-8")
    publics: dict[str, str] = {}
    monkeypatch.chdir(home)
    for words in hotline:
        _runs(words, publics)
    monkeypatch.chdir(tmp_path)
    for words in _commands(rest):
        if words[0] == "cd":
            monkeypatch.chdir(away)
            (away / "desk.csv").write_text(DESK, encoding="utf-8")
            _copied(home, away, "*.dsse.jsonl")
            continue
        _runs(words, publics)
        if (away / "keys" / "receipt.pub").exists():
            publics["receipts"] = (away / "keys" / "receipt.pub").read_text(encoding="utf-8").strip()
    listed = json.loads(merchantscreen("referrals", "list", "--json").out)["referrals"]
    states = [(one["number"], one["state"], one["assurance"]) for one in listed]
    assert states[:3] == [
        ("R-000001", "disputed", "signed-2org"), ("R-000002", "confirmed", "signed"),
        ("R-000003", "retracted", "signed-2org"),
    ]  # fmt: skip
    assert {one[1:] for one in states[3:10]} == {("confirmed", "signed-2org")}
    assert [one[1:] for one in states[10:]] == [("retracted", "transcribed"), ("awaiting_confirmation", "unsigned")]
    _copied(away, home, "receipt.dsse.jsonl")
    monkeypatch.chdir(home)
    told = _runs(reads_receipt, publics)
    assert all(f"N-{number} " in told.out for number in range(1, 11))
    assert len(hotline) + 1 == 7


def _runs(words: list[str], publics: dict[str, str]) -> Ran:
    """Run a command of the page with the public lines put in; it has to end well."""
    named = [re.sub(r"ed25519:KEY-OF-([A-Z]+)", lambda found: publics[found[1].lower()], word) for word in words]
    ran = merchantscreen(*named[1:])
    assert (ran.code, words) == (0, words), ran.err
    if "keygen" in words:
        publics[Path(words[-1]).stem] = ran.out.split()[1]
    return ran


def _copied(source: Path, target: Path, pattern: str) -> None:
    """Send files from one side to the other."""
    for path in source.glob(pattern):
        shutil.copy(path, target)


def test_the_page_shows_a_statement_that_is_valid(repository: Path) -> None:
    """The example envelope verifies with the key beside it, holds the statement shown, and begins a stream."""
    page = (repository / "docs" / "exchange.md").read_text(encoding="utf-8")
    shown = {name: _example(page, name) for name in ("statement", "key", "envelope")}
    verified = envelope.verify(shown["envelope"].encode(), envelope.STATEMENT_TYPE, [VerifyKey.parsed(shown["key"])])
    assert json.loads(verified.payload) == json.loads(shown["statement"])
    assert read_statement(verified).seq == 1


def test_the_page_lists_every_outcome_and_every_record(repository: Path) -> None:
    """No reason, code or kind of record is missing from docs/exchange.md."""
    page = (repository / "docs" / "exchange.md").read_text(encoding="utf-8")
    words = [*Reason, *Outcome, *Assurance, *CODES.values(), UNREAD, SIGNED]
    words += [name for name in KINDS if name.partition(".")[0] in {"referral", "lookup", "receipt", "export", "run"}]
    assert [word for word in words if word not in page] == []


def _commands(page: str) -> list[list[str]]:
    """Return the words of every command in a shell block."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def _example(page: str, name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```[a-z]+\n(.*?)\n```", page, re.DOTALL)
    assert found is not None
    return found[1]


# --------------------------------------------------------------------------- reading


def test_a_long_line_of_escaped_quotes_is_measured_in_a_moment() -> None:
    """Seventeen brackets and 64 KB of escaped quotes took seconds when every unfinished string was tried anew."""
    line = "[" * 17 + '"a"' + '\\"' * 32_000
    start = time.thread_time()
    assert _is_deep(line)
    assert not _is_deep('{"a": "' + "[" * 20 + '\\"' * 32_000)
    assert time.thread_time() - start < 10

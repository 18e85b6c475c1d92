"""`hotline`: keys, drafts and signed streams, as somebody at a hotline uses them, and every way it is refused."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cli.command import Ran, merchantscreen
from unit.referral_examples import confirmation, json_lines

from merchantscreen.cli import options
from merchantscreen.referrals import envelope
from merchantscreen.referrals.envelope import STATEMENT_TYPE
from merchantscreen.referrals.keys import SigningKey
from merchantscreen.referrals.statements import NO_PREDECESSOR, Statement, read_statement

NOW = datetime(2026, 10, 15, 12)
WORDS = (
    "--event confirmed --hotline hotline-north --referral-id N-1 --domain amber-shop.example --match-scope host "
    "--domain-dedicated yes --site-type website --commerciality commercial --payment-methods visa,mastercard "
    "--classification baseline --received-at 2026-10-01T10:00:00Z --confirmed-at 2026-10-02T10:00:00Z "
    "--status active --le-hold false --tlp amber"
).split()

STATE = {"schema": "merchantscreen-stream/1", "issuer": "a", "audience": "b", "seq": 0, "prev": NO_PREDECESSOR}
"""A state file before the first statement."""


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "now", lambda: NOW)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Give a test a hotline's key file."""
    assert merchantscreen("hotline", "keygen", "--out", tmp_path / "north.key").code == 0
    return tmp_path / "north.key"


def north(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a confirmation of the northern hotline."""
    return confirmation(reporting_hotline_id="hotline-north", referral_id=f"N-{number}", **changes)


def sign(events: Path, key: Path, *words: str | Path) -> Ran:
    """Sign a file for the network of these tests."""
    return merchantscreen("hotline", "sign", events, "--key", key, "--audience", "network-one", *words)


def statements(signed: Path, *keys: Path) -> list[Statement]:
    """Read signed statements back, verified."""
    known = [SigningKey.from_pem(key.read_bytes()).verify_key for key in keys]
    lines = signed.read_bytes().splitlines()
    return [read_statement(envelope.verify(line, STATEMENT_TYPE, known)) for line in lines]


# --------------------------------------------------------------------------- keygen


def test_a_key_is_private_and_only_its_public_half_is_shown(tmp_path: Path) -> None:
    """The file is PKCS 8 of mode 0600; what is printed is its public line and id."""
    file = tmp_path / "a.key"
    ran = merchantscreen("hotline", "keygen", "--out", file)
    made = SigningKey.from_pem(file.read_bytes())
    assert (ran.code, file.stat().st_mode & 0o777) == (0, 0o600)
    assert made.verify_key.text in ran.out
    assert made.key_id in ran.out
    assert file.read_text().splitlines()[1] not in ran.out
    stated = json.loads(merchantscreen("hotline", "keygen", "--out", tmp_path / "b.key", "--json").out)
    assert stated.keys() == {"file", "key_id", "public"}


def test_a_key_is_never_overwritten(key: Path) -> None:
    """A second key of the same name is refused, and so is a folder that is not there."""
    before = key.read_bytes()
    ran = merchantscreen("hotline", "keygen", "--out", key)
    assert (ran.code, ran.codes, key.read_bytes()) == (73, ["MS-HOT-001"], before)
    nowhere = merchantscreen("hotline", "keygen", "--out", key.parent / "no" / "a.key")
    assert (nowhere.code, nowhere.codes) == (73, ["MS-HOT-002"])


def test_a_lost_public_line_is_found_again(tmp_path: Path) -> None:
    """The private file tells both, and no more; a file that others may use tells nothing."""
    made = merchantscreen("hotline", "keygen", "--out", tmp_path / "one.key")
    found = merchantscreen("hotline", "key", tmp_path / "one.key")
    assert (found.code, found.out.splitlines()) == (0, made.out.splitlines()[:2])
    stated = json.loads(merchantscreen("hotline", "key", tmp_path / "one.key", "--json").out)
    assert made.out.split()[1] == stated["public"]
    assert (tmp_path / "one.key").read_text().splitlines()[1] not in found.out
    (tmp_path / "one.key").chmod(0o644)
    assert merchantscreen("hotline", "key", tmp_path / "one.key").codes == ["MS-HOT-004"]


# --------------------------------------------------------------------------- draft


def test_an_event_is_drafted_from_its_fields(tmp_path: Path) -> None:
    """On standard output one line of JSON; with --out lines are added to a private file."""
    printed = json.loads(merchantscreen("hotline", "draft", *WORDS, "--clue-descriptor", "AMBER").out)
    assert printed["payment_methods"] == ["visa", "mastercard"]
    assert printed["payment_clues"] == [{"descriptor": "AMBER"}]
    assert (printed["le_hold"], printed["issued_at"]) == (False, "2026-10-15T12:00:00Z")
    file = tmp_path / "events.jsonl"
    brief = ("--hotline", "hotline-north", "--referral-id", "N-1", "--out", file)
    assert merchantscreen("hotline", "draft", *WORDS, "--out", file).code == 0
    assert merchantscreen("hotline", "draft", "--event", "retracted", *brief).code == 0
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["confirmed", "retracted"]
    assert file.stat().st_mode & 0o777 == 0o600
    checked = merchantscreen("hotline", "draft", "--from", file)
    assert checked.out == "2 events in order: 1 confirmed, 1 retracted.\n"


def test_all_that_is_missing_or_wrong_is_told_at_once_and_nothing_is_repeated() -> None:
    """Each field is named by its option; refused values stay out of the message."""
    ran = merchantscreen(
        "hotline", "draft", "--event", "moved", "--domain", "https://hidden.example/path", "--tlp", "purple"
    )
    assert (ran.code, ran.out) == (65, "")
    assert sorted(ran.codes) == ["MS-REF-020"] * 3 + ["MS-REF-024", "MS-REF-026"]
    named = ("--hotline", "--referral-id", "--moved-to-domain", "--domain", "--tlp")
    assert all(f" {option}:" in ran.err for option in named)
    assert "hidden" not in ran.err
    assert "purple" not in ran.err
    assert merchantscreen("hotline", "draft").codes == ["MS-REF-020"] * 2


def test_a_file_of_events_is_checked_and_brought_into_json_lines(tmp_path: Path) -> None:
    """All lines that are wrong are told; CSV becomes JSON lines; fields and a file exclude each other."""
    bad = json_lines(tmp_path, [north(), north(domain="a/b"), north(tlp=None)], "bad.jsonl")
    ran = merchantscreen("hotline", "draft", "--from", bad)
    assert (ran.code, ran.codes) == (65, ["MS-REF-024", "MS-REF-020"])
    table = tmp_path / "events.csv"
    table.write_text(
        "event,reporting_hotline_id,issued_at,referral_id\nretracted,hotline-north,2026-10-02T00:00:00Z,N-1\n"
    )
    made = merchantscreen("hotline", "draft", "--from", table, "--out", tmp_path / "made.jsonl", "--json")
    assert json.loads(made.out)["count"] == 1
    assert json.loads((tmp_path / "made.jsonl").read_text())["event"] == "retracted"
    again = merchantscreen("hotline", "draft", "--from", table, "--out", tmp_path / "made.jsonl")
    assert (again.code, again.codes) == (73, ["MS-HOT-001"])
    both = merchantscreen("hotline", "draft", "--from", tmp_path / "made.jsonl", "--event", "moved")
    assert (both.code, both.codes) == (2, ["MS-HOT-020"])


def test_many_sites_come_from_a_short_table(tmp_path: Path) -> None:
    """What holds for all sites is said once; a row's own value wins; every wrong row is told at once."""
    table, out = tmp_path / "sites.csv", tmp_path / "made.jsonl"
    rows = [f"N-{n},shop-{n}.example,{'visa' if n == 3 else ''}" for n in range(1, 11)]
    table.write_text("referral_id,domain,payment_methods\n" + "\n".join(rows) + "\n", encoding="utf-8")
    usual = [word for word in WORDS if word not in {"--referral-id", "N-1", "--domain", "amber-shop.example"}]
    ran = merchantscreen("hotline", "draft", "--from", table, *usual, "--out", out)
    assert (ran.code, ran.out.startswith("10 events in order: 10 confirmed")) == (0, True), ran.err
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["domain"] for event in events] == [f"shop-{n}.example" for n in range(1, 11)]
    assert [event["payment_methods"] for event in events if event["referral_id"] in {"N-2", "N-3"}] == [
        ["visa", "mastercard"], ["visa"],
    ]  # fmt: skip
    assert {event["issued_at"] for event in events} == {"2026-10-15T12:00:00Z"}
    table.write_text("referral_id,domain\nN-1,a/b\nN-2,\n", encoding="utf-8")
    ran = merchantscreen("hotline", "draft", "--from", table, *usual, "--out", tmp_path / "bad.jsonl")
    assert (ran.code, ran.codes, (tmp_path / "bad.jsonl").exists()) == (65, ["MS-REF-024", "MS-REF-020"], False)


# --------------------------------------------------------------------------- sign


def test_a_stream_is_continued_over_several_files(tmp_path: Path, key: Path) -> None:
    """Numbers and digests go on; events that were signed before are passed over, heartbeats are statements."""
    beat = {"event": "heartbeat", "reporting_hotline_id": "hotline-north", "issued_at": "2026-10-14T00:00:00Z"}
    first = json_lines(tmp_path, [north(1), north(2)], "first.jsonl")
    both = json_lines(tmp_path, [north(1), north(2), north(3), beat], "both.jsonl")
    began = sign(first, key, "--out", tmp_path / "1.jsonl")
    assert began.code == 0
    assert "This begins a stream" in began.out
    assert "ends in .dsse.jsonl" in began.out
    went_on = json.loads(sign(both, key, "--out", tmp_path / "2.jsonl", "--json").out)
    assert (went_on["signed"], went_on["first_seq"], went_on["skipped_events"]) == (2, 3, [1, 2])
    said = statements(tmp_path / "1.jsonl", key) + statements(tmp_path / "2.jsonl", key)
    assert [one.seq for one in said] == [1, 2, 3, 4]
    assert [one.prev for one in said] == [NO_PREDECESSOR, *(one.digest for one in said[:-1])]
    assert went_on["last_sha256"] == said[-1].digest
    state = key.with_name("north.key.stream.json")
    assert {file.stat().st_mode & 0o777 for file in (state, tmp_path / "1.jsonl")} == {0o600}
    nothing = sign(both, key, "--out", tmp_path / "3.jsonl")
    assert (nothing.code, (tmp_path / "3.jsonl").exists()) == (0, False)
    assert "Nothing to sign" in nothing.out


def test_after_an_interruption_the_same_events_give_the_same_bytes(tmp_path: Path, key: Path) -> None:
    """Without the state having moved on, signing again is no fork."""
    events = json_lines(tmp_path, [north(1), north(2)])
    first = sign(events, key)
    key.with_name("north.key.stream.json").unlink()
    again = sign(events, key)
    assert first.out == again.out
    assert len(first.out.splitlines()) == 2
    assert "Signed 2 statements" in first.err


def test_two_keys_sign_one_statement(tmp_path: Path, key: Path) -> None:
    """Both signatures verify; one key cannot sign twice."""
    second = tmp_path / "south.key"
    merchantscreen("hotline", "keygen", "--out", second)
    events = json_lines(tmp_path, [north()])
    twice = sign(events, key, "--second-key", key)
    assert (twice.code, twice.codes) == (65, ["MS-EXC-011"])
    assert sign(events, key, "--second-key", second, "--out", tmp_path / "s.jsonl").code == 0
    assert len(statements(tmp_path / "s.jsonl", key, second)[0].key_ids) == 2


def test_events_that_no_network_would_take_get_no_number(tmp_path: Path, key: Path) -> None:
    """Several hotlines, events from the future and refused lines are told before anything is signed."""
    cases = {
        "MS-HOT-014": [north(), confirmation()],
        "MS-EXC-065": [north(issued_at="2026-10-16T00:00:00Z")],
        "MS-REF-020": [north(status=None)],
    }
    for code, events in cases.items():
        ran = sign(json_lines(tmp_path, events), key)
        assert (ran.code, ran.codes, ran.out) == (65, [code], "")
    wrong = merchantscreen("hotline", "sign", json_lines(tmp_path, [north()]), "--key", key, "--audience", "not an id")
    assert (wrong.code, wrong.codes) == (65, ["MS-EXC-030"])
    assert not key.with_name("north.key.stream.json").exists()


def test_keys_that_are_exposed_or_no_keys_do_not_sign(tmp_path: Path, key: Path) -> None:
    """A key others may read, a file that is none, a link and a missing file are refused without showing anything."""
    events = json_lines(tmp_path, [north()])
    (tmp_path / "link.key").symlink_to(key)
    assert sign(events, tmp_path / "link.key").codes == ["MS-HOT-003"]
    assert sign(events, tmp_path / "none.key").codes == ["MS-HOT-003"]
    secret = key.read_text().splitlines()[1]
    key.chmod(0o644)
    exposed = sign(events, key)
    assert (exposed.code, exposed.codes) == (65, ["MS-HOT-004"])
    assert secret not in exposed.err
    other = tmp_path / "other.key"
    other.write_text("no key")
    other.chmod(0o600)
    assert sign(events, other).codes == ["MS-EXC-022"]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1]", json.dumps({**STATE, "seq": 1}), json.dumps({**STATE, "events": ["a"]})],
)  # fmt: skip
def test_a_state_file_of_another_form_ends_it(tmp_path: Path, key: Path, content: str) -> None:
    """A damaged state never begins a stream anew."""
    key.with_name("north.key.stream.json").write_text(content)
    ran = sign(json_lines(tmp_path, [north()]), key, "--out", tmp_path / "s.jsonl")
    assert (ran.code, ran.codes, (tmp_path / "s.jsonl").exists()) == (65, ["MS-HOT-010"], False)


def test_the_state_of_another_stream_is_refused(tmp_path: Path, key: Path) -> None:
    """A stream belongs to one hotline and one network."""
    events = json_lines(tmp_path, [north()])
    sign(events, key, "--state", tmp_path / "state.json", "--out", tmp_path / "s.jsonl")
    other = merchantscreen(
        "hotline", "sign", events, "--key", key, "--audience", "network-two", "--state", tmp_path / "state.json"
    )
    assert (other.code, other.codes) == (65, ["MS-HOT-011"])


def test_nothing_is_signed_over_a_file_or_beside_another_command(tmp_path: Path, key: Path) -> None:
    """An output of that name, and a second command at work, leave stream and state as they are."""
    events = json_lines(tmp_path, [north()])
    (tmp_path / "s.jsonl").write_text("mine")
    taken = sign(events, key, "--out", tmp_path / "s.jsonl")
    assert (taken.code, taken.codes, (tmp_path / "s.jsonl").read_text()) == (73, ["MS-HOT-001"], "mine")
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    busy = sign(events, key)
    os.close(handle)
    assert (busy.code, busy.codes, busy.out) == (75, ["MS-HOT-013"], "")
    assert not key.with_name("north.key.stream.json").exists()


def test_a_state_that_cannot_be_written_takes_the_statements_back(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next events would get the same numbers."""

    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("merchantscreen.cli.hotline.files.replace_whole", full)
    ran = sign(json_lines(tmp_path, [north()]), key, "--out", tmp_path / "s.jsonl")
    assert (ran.code, ran.codes, (tmp_path / "s.jsonl").exists()) == (74, ["MS-HOT-012"], False)


# --------------------------------------------------------------------------- countersign


@pytest.fixture
def sent(tmp_path: Path, key: Path) -> Path:
    """Give a test what the northern hotline sent: two confirmations and a retraction."""
    stated = [
        north(1, domain="amber-shop.example"), north(2, domain="other-shop.example"),
        {"event": "retracted", "reporting_hotline_id": "hotline-north", "referral_id": "N-1",
         "issued_at": "2026-10-15T11:30:00Z", "reason_code": "mistaken"},
    ]  # fmt: skip
    assert sign(json_lines(tmp_path, stated, "e.jsonl"), key, "--out", tmp_path / "sent.dsse.jsonl").code == 0
    return tmp_path / "sent.dsse.jsonl"


def line_of(key: Path) -> str:
    """Return the public line of a key file."""
    return SigningKey.from_pem(key.read_bytes()).verify_key.text


def countersign(sent: Path, first: Path, *words: str | Path) -> Ran:
    """Countersign for the network of these tests what one key has signed."""
    named = ("--signed-by", line_of(first), "--audience", "network-one")
    return merchantscreen("hotline", "countersign", sent, *named, *words)


def test_a_second_organisation_signs_without_the_first_ones_key(tmp_path: Path, sent: Path, key: Path) -> None:
    """It looks first, with host names defanged; then its signature is added, and the statements stay byte for byte."""
    second, out = tmp_path / "south.key", tmp_path / "both.dsse.jsonl"
    assert merchantscreen("hotline", "keygen", "--out", second).code == 0
    before = sent.read_bytes()
    looked = countersign(sent, key)
    assert looked.code == 0, looked.err
    assert "hotline-north 1  confirmed: N-1 amber-shop[.]example" in looked.out
    assert "match_scope registrable_domain" in looked.out
    assert "retracted: N-1" in looked.out
    assert "amber-shop.example" not in looked.out
    assert "To stand behind them add --key and --out." in looked.out
    key.rename(tmp_path / "away.key")
    ran = countersign(sent, tmp_path / "away.key", "--key", second, "--out", out)
    assert (ran.code, "Countersigned 3 statements" in ran.out) == (0, True), ran.err
    once = [one.payload for one in statements(sent, tmp_path / "away.key")]
    twice = statements(out, tmp_path / "away.key", second)
    assert [one.payload for one in twice] == once
    assert {len(one.key_ids) for one in twice} == {2}
    assert (sent.read_bytes(), out.stat().st_mode & 0o777) == (before, 0o600)
    some = tmp_path / "some.dsse.jsonl"
    chosen = countersign(sent, tmp_path / "away.key", "--key", second, "--referral-id", "N-2", "--out", some, "--json")
    assert [one["event"]["domain"] for one in json.loads(chosen.out)["statements"]] == ["other-shop.example"]
    assert [one.seq for one in statements(some, tmp_path / "away.key", second)] == [2]


def test_what_cannot_be_countersigned_is_refused_whole(tmp_path: Path, sent: Path, key: Path) -> None:
    """A wrong first signature, a key that signed already, another network, no statement at all: nothing is written."""
    second, out = tmp_path / "south.key", tmp_path / "both.dsse.jsonl"
    assert merchantscreen("hotline", "keygen", "--out", second).code == 0
    words = ("--key", second, "--out", out)
    first, *others = sent.read_bytes().splitlines()
    spoilt, trust = tmp_path / "spoilt.dsse.jsonl", tmp_path / "trust.json"
    wrong = json.loads(others[0])
    wrong["signatures"][0]["sig"] = json.loads(first)["signatures"][0]["sig"]
    spoilt.write_bytes(b"\n".join([first, json.dumps(wrong).encode()]) + b"\n")
    trust.write_bytes(envelope.sign(b"{}", envelope.TRUST_TYPE, [SigningKey.from_pem(key.read_bytes())]))
    empty = tmp_path / "empty.dsse.jsonl"
    empty.write_bytes(b"\n")
    cases = [
        (countersign(sent, second, *words), 6, ["MS-EXC-012"] * 3),
        (countersign(sent, key, "--key", key, "--out", out), 65, ["MS-EXC-011"] * 3),
        (countersign(spoilt, key, *words), 6, ["MS-EXC-013"]),
        (countersign(trust, key, *words), 65, ["MS-EXC-009"]),
        (countersign(empty, key, *words), 65, ["MS-EXC-002"]),
        (countersign(sent, key, "--key", second), 2, ["MS-HOT-021"]),
        (countersign(sent, key, *words, "--referral-id", "N-9"), 2, ["MS-HOT-022"]),
        (merchantscreen("hotline", "countersign", sent, "--signed-by", line_of(key), "--audience", "network-two",
                        *words), 65, ["MS-EXC-064"] * 3),
        (merchantscreen("hotline", "countersign", sent, "--signed-by", "ed25519:AAAA", "--audience", "network-one",
                        *words), 65, ["MS-EXC-020"]),
    ]  # fmt: skip
    for ran, code, codes in cases:
        assert (ran.code, ran.codes) == (code, codes)
    assert "spoilt.dsse.jsonl:2" in cases[2][0].err
    assert not out.exists()
    out.write_text("mine")
    assert (countersign(sent, key, *words).codes, out.read_text()) == (["MS-HOT-001"], "mine")

"""The difference between two runs as a page for a person, and as values for a program.

Rules kept here:
* nothing is computed, every figure is in the difference; what is not shown is counted;
* linked, for review: neutral words, whatever an account enters or leaves, and no word that clears it;
* narrow terminals fold lines and never cut an account; text from files is shown escaped, domains defanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from merchantscreen.identifiers import BY_NAME
from merchantscreen.nano import NANO
from merchantscreen.outputs.console import COUNTER_EVIDENCE, DISCLAIMER
from merchantscreen.outputs.explanation import nano
from merchantscreen.outputs.policyview import UNAPPROVED
from merchantscreen.outputs.sections import LEAST_WIDTH, say, section
from merchantscreen.outputs.text import counted, defanged, safe_text, visible
from merchantscreen.rundiff import (
    AccountChange,
    FieldChange,
    ItemChange,
    Move,
    RuleChange,
    RunDifference,
    Standing,
    State,
    ThingChange,
)
from merchantscreen.vocabulary import EvidenceFamily, Tier

SHOWN: Final = 30
"""Accounts in the table; --json lists all."""
DETAILED: Final = 8
"""Accounts of which the particulars are shown; --account shows any other."""
_LISTED: Final = 8
_SHOWN_ITEMS: Final = 12
_WITH_POINTS: Final = 80
_WITH_REASON: Final = 120
"""Columns from which the table has room for these."""
_MOVES: Final[Mapping[Move, str]] = {
    Move.ENTERED: "entered",
    Move.MOVED_UP: "moved up",
    Move.LEFT: "left",
    Move.MOVED_DOWN: "moved down",
    Move.PLACE: "other place",
    Move.POINTS: "points only",
    Move.EVIDENCE: "evidence only",
}
_SIGNS: Final[Mapping[State, str]] = {
    State.APPEARED: "+",
    State.DISAPPEARED: "-",
    State.CHANGED: "~",
    State.NOT_COMPARABLE: "?",
}
_FIELDS: Final[Mapping[str, str]] = {
    "strength_nano": "strength",
    "others_count": "other holders",
    "linked_count": "accounts linked",
    "contributor_count": "holders that pass risk on",
    "transaction_count": "transactions",
    "first_at": "first seen",
    "last_at": "last seen",
    "match": "match",
    "seen_as": "seen as",
    "referral_ids": "referrals",
    "item_count": "items",
    "kind_points_nano": "points of the kind",
}
"""Fields of an item that a person is told; the others are in the values."""
_DOMAIN_FIELDS: Final[Mapping[str, str]] = {
    "confidence_nano": "confidence",
    "window_from_at": "valid from",
    "window_until_at": "valid until",
    "match_scope": "scope",
}


def show_difference(console: Console, found: RunDifference, folders: tuple[str, str]) -> None:
    """Print what differs between two runs.

    Args:
        console: Where to.
        found: The difference.
        folders: Paths of both runs, as the reader may type them.
    """
    say(console, _head(found))
    section(console, "What the runs worked with", _worked_with(found, folders))
    section(console, "Referrals and domains", [*_referrals(found), *_domains(found)])
    section(console, f"Accounts ({DISCLAIMER})", _counts(found))
    moved = [one for one in found.accounts if _is_told(one)]
    if moved:
        console.print()
        console.print(_table(moved[:SHOWN], console.width))
    if len(moved) > SHOWN:
        say(console, [Text(f"  and {counted(len(moved) - SHOWN, 'account')} more; --json lists all")])
    for one in found.accounts[:DETAILED]:
        section(console, f"{_MOVES[one.move]}: {visible(one.account_id)}", _particulars(one))
    if len(found.accounts) > DETAILED:
        rest = counted(len(found.accounts) - DETAILED, "account")
        section(console, "", [Text(f"Particulars of {rest} more: --account ID, or --json")])
    section(console, "Could not be tested (a blind spot is never a clean result)", _blind_spots(found.blind_spots))


def show_account(console: Console, found: RunDifference, account_id: str) -> None:
    """Print all that differs for one account, or that nothing does."""
    say(console, _head(found))
    changed = [one for one in found.accounts if one.account_id == account_id]
    for one in changed:
        section(console, f"{_MOVES[one.move]}: {visible(one.account_id)}", _particulars(one, limit=None))
    if not changed:
        section(console, visible(account_id), [Text("  nothing differs; it stands as it stood")])


# --------------------------------------------------------------------------- the head


def _head(found: RunDifference) -> Iterator[Text]:
    old, new = found.old, found.new
    unapproved = [visible(one.run_id) for one in (old, new) if not one.approved]
    if unapproved:
        yield Text(f"{UNAPPROVED}: {' and '.join(unapproved)}", style="bold reverse")
    yield Text.assemble((visible(old.run_id), "bold"), f" as of {visible(old.as_of)}")
    yield Text.assemble("compared with ", (visible(new.run_id), "bold"), f" as of {visible(new.as_of)}")
    if new.as_of < old.as_of:
        yield Text("The second run looks from an earlier moment than the first.")


def _worked_with(found: RunDifference, folders: tuple[str, str]) -> Iterator[Text]:
    for name, plural in (("policy_file", "policy files"), ("version", "versions"), ("parameter", "parameters")):
        group = [one for one in found.facts if one.name.startswith(f"{name}.")]
        if group:
            yield Text(f"  {plural}: {_listed([_named(one) for one in group])}")
    plain = {one.name: one for one in found.facts if "." not in one.name}
    for name, one in plain.items():
        if name not in {"as_of", "contact_key"}:
            yield Text(f"  {name.replace('_', ' ')}: {_short(one.before)} → {_short(one.after)}")
    if "policy" in plain:
        words = " ".join(visible(folder, 4096) for folder in folders)
        yield Text(f"  see what the policies mean: merchantscreen rules diff {words}")
    yield from _files(found)
    if not found.tokens_comparable:
        yield Text(
            "  contact tokens: made with another key, so shared e-mails, phones and addresses are compared by "
            "number and points only; --pseudonym-key-file keeps them comparable"
        )


def _named(one: FieldChange) -> str:
    """Name one fact of a group; values with it where they are short enough to mean something."""
    name = one.name.partition(".")[2]
    return name if "sha" in name or "/" in name or name.endswith(".yml") else f"{name} {one.before} → {one.after}"


def _files(found: RunDifference) -> Iterator[Text]:
    same = sum(one.state is State.SAME for one in found.files)
    yield Text(f"  input files: {same:,} the same")
    for state, said in ((State.APPEARED, "new"), (State.DISAPPEARED, "gone")):
        for one in found.files:
            if one.state is state:
                yield Text(f"    {said}: {visible(one.name)} ({one.role}, sha256 {visible(one.sha256)[:16]})")


def _short(value: object) -> str:
    text = "not stated" if value is None else visible(str(value))
    return text[:16] if len(text) == 64 else text


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:_LISTED])
    rest = len(names) - _LISTED
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _referrals(found: RunDifference) -> Iterator[Text]:
    began = [one.key[0] for one in found.referrals if one.state is State.APPEARED]
    if began:
        yield Text(f"  {counted(len(began), 'referral')} new: {_listed(began)}")
    ceased = [one for one in found.referrals if one.state is State.DISAPPEARED]
    if ceased:
        named = [f"{one.key[0]}{_why(one.why)}" for one in ceased]
        yield Text(f"  {counted(len(ceased), 'referral')} no longer counted: {_listed(named)}")


def _why(kind: str | None) -> str:
    return "" if kind is None else f" ({kind.removeprefix('referral_').replace('_', ' ')})"


def _domains(found: RunDifference) -> Iterator[Text]:
    words = {State.APPEARED: "new", State.DISAPPEARED: "gone"}
    for state, said in words.items():
        names = [defanged(one.key[0]) for one in found.domains if one.state is state]
        if names:
            yield Text(f"  {counted(len(names), 'flagged domain')} {said}: {_listed(names)}")
    changed = [one for one in found.domains if one.state is State.CHANGED]
    for one in changed[:_LISTED]:
        yield Text(f"  ~ {defanged(visible(one.key[0]))}: {_fields(one.fields, _DOMAIN_FIELDS, every=True)}")
    if len(changed) > _LISTED:
        yield Text(f"  and {counted(len(changed) - _LISTED, 'flagged domain')} more with other particulars")


# --------------------------------------------------------------------------- accounts


def _counts(found: RunDifference) -> Iterator[Text]:
    told = [f"{found.count(move):,} {words}" for move, words in _MOVES.items() if found.count(move)]
    yield Text("  " + " · ".join([*told, f"{found.unchanged_count:,} as before"]))


def _table(accounts: Sequence[AccountChange], width: int) -> Table:
    """Lay the accounts out; narrow terminals lose the reason and the points, never the account."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    longest = max(len(one.account_id) for one in accounts)
    table.add_column("what", no_wrap=True)
    table.add_column("account", overflow="fold", min_width=min(longest, max(LEAST_WIDTH, width // 3)))
    table.add_column("before", overflow="fold")
    table.add_column("now", overflow="fold")
    with_points, with_reason = width >= _WITH_POINTS, width >= _WITH_REASON
    if with_points:
        table.add_column("points now", justify="right", no_wrap=True)
    if with_reason:
        table.add_column("because", overflow="fold")
    for one in accounts:
        cells = [Text(_MOVES[one.move]), safe_text(one.account_id), _place(one.before), _place(one.after)]
        if with_points:
            cells.append(Text(f"{one.after.points_nano / NANO:.3f}" if one.after else ""))
        if with_reason:
            cells.append(safe_text(one.after.tier_reason.partition(":")[0] if one.after else "not ranked in this run"))
        table.add_row(*cells)
    return table


def _is_told(one: AccountChange) -> bool:
    """Tell whether an account stands in the table: it changed its tier, or its place among the cases."""
    standing = one.after or one.before
    among_cases = standing is not None and standing.tier != Tier.WATCH
    return one.move not in {Move.POINTS, Move.EVIDENCE} and (one.move is not Move.PLACE or among_cases)


def _place(standing: Standing | None) -> Text:
    return Text("not ranked" if standing is None else f"{standing.tier}, rank {standing.rank:,}")


def _particulars(one: AccountChange, limit: int | None = _SHOWN_ITEMS) -> Iterator[Text]:
    yield Text(f"  {_standing(one.before)} → {_standing(one.after)}")
    if one.dba_name is not None:
        yield Text(f"  name: {visible(one.dba_name)}")
    if one.after is not None and (one.before is None or one.before.tier_reason != one.after.tier_reason):
        yield Text(f"  because: {visible(one.after.tier_reason)}")
    for came, words in ((one.referrals_came, "referrals new"), (one.referrals_went, "referrals gone")):
        if came:
            yield Text(f"  {words}: {_listed(came)}")
    for item in one.items[:limit]:
        yield Text(f"  {_item(item)}")
    for rule in one.rules[:limit]:
        yield Text(f"  {_rule(rule)}")
    hidden = sum(max(0, len(all_) - limit) for all_ in (one.items, one.rules)) if limit is not None else 0
    if hidden:
        yield Text(f"  and {counted(hidden, 'difference')} more: --account {visible(one.account_id)}")
    for doubts, words in ((one.doubts_came, "speaks against it now"), (one.doubts_went, "no longer against it")):
        if doubts:
            yield Text(f"  {words}: {', '.join(COUNTER_EVIDENCE.get(note, visible(note)) for note in doubts)}")


def _standing(standing: Standing | None) -> str:
    if standing is None:
        return "not ranked"
    return f"{standing.tier}, rank {standing.rank:,}, {nano(standing.points_nano)} points"


def _item(item: ItemChange) -> str:
    title = BY_NAME[item.kind].title if item.kind in BY_NAME else "rule"
    shown = visible(item.counterpart)
    is_site = item.family == EvidenceFamily.LINK or item.kind == "website"
    name = f"{title}: {defanged(shown) if is_site else shown}" if shown else f"{title}: not comparable"
    points = f"{_amount(item.points_before_nano)} → {_amount(item.points_after_nano)} points"
    if item.points_before_nano == item.points_after_nano:
        points = f"{_amount(item.points_after_nano)} points"
    told = _fields(item.fields, _FIELDS)
    return f"{_SIGNS[item.state]} {name}, {points}{'; ' + told if told else ''}"


def _amount(points: int | None) -> str:
    return "none" if points is None else nano(points)


def _fields(fields: Sequence[FieldChange], names: Mapping[str, str], *, every: bool = False) -> str:
    told = [one for one in fields if every or one.name in names]
    return ", ".join(
        f"{names.get(name, name.replace('_', ' '))} {_told(name, before)} → {_told(name, after)}"
        for name, before, after in ((one.name, one.before, one.after) for one in told)
    )


def _told(name: str, value: Any) -> str:
    match value:
        case None:
            return "not known" if name != "window_until_at" else "open"
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith("_nano"):
            return nano(value)
        case int():
            return f"{value:,}"
        case list():
            return _listed([str(part) for part in value]) or "none"
        case _:
            return defanged(visible(str(value)))


def _rule(rule: RuleChange) -> str:
    before, after = (_outcome(*pair) for pair in (
        (rule.outcome_before, rule.exception_before), (rule.outcome_after, rule.exception_after)))  # fmt: skip
    said = f": {defanged(visible(rule.reason))}" if rule.reason else ""
    return f"rule {visible(rule.rule_id)}: {before} → {after}{said}"


def _outcome(outcome: str | None, exception: str | None) -> str:
    aside = f", set aside by {visible(exception)}" if exception is not None else ""
    return ("not asked" if outcome is None else outcome.replace("_", " ")) + aside


def _blind_spots(spots: Sequence[ThingChange]) -> Iterator[Text]:
    words = {State.APPEARED: "new", State.DISAPPEARED: "gone", State.CHANGED: "other count"}
    for state, said in words.items():
        kinds: dict[str, list[str]] = {}
        for one in spots:
            if one.state is state:
                kinds.setdefault(one.key[0], []).append(_spot(one))
        for kind, subjects in kinds.items():
            named = [subject for subject in subjects if subject]
            listed = f" ({_listed(named)})" if named else ""
            yield Text(f"  {said}: {kind.replace('_', ' ')}, {len(subjects):,}{listed}")


def _spot(one: ThingChange) -> str:
    subject = defanged(visible(one.key[1])) if one.key[0].startswith("referral") else visible(one.key[1])
    return " ".join([subject, *(f"{field.before:,} → {field.after:,}" for field in one.fields)])


# --------------------------------------------------------------------------- for a program


def difference_values(found: RunDifference, account_id: str | None = None) -> dict[str, Any]:
    """State a difference as JSON values: all of it, or the accounts cut down to one."""
    accounts = [one for one in found.accounts if account_id is None or one.account_id == account_id]
    return {
        "schema": "merchantscreen-diff/1",
        "old": _run(found.old.run_id, found.old.as_of, approved=found.old.approved),
        "new": _run(found.new.run_id, found.new.as_of, approved=found.new.approved),
        "meaning": DISCLAIMER,
        "facts": [asdict(one) for one in found.facts],
        "files": [asdict(one) for one in found.files],
        "tokens_comparable": found.tokens_comparable,
        "referrals": [asdict(one) for one in found.referrals],
        "domains": [asdict(one) for one in found.domains],
        "counts": {move.value: found.count(move) for move in Move} | {"unchanged": found.unchanged_count},
        "accounts": [asdict(one) for one in accounts],
        "blind_spots": [asdict(one) for one in found.blind_spots],
    }


def _run(run_id: str, as_of: str, *, approved: bool) -> dict[str, Any]:
    return {"run_id": run_id, "as_of": as_of, "policy_approved": approved}

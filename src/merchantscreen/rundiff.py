"""What differs between two runs: inputs, policy, accounts, and per account each item, rule and doubt.

Rules kept here:
* pure: two bundles in, one difference out; bundles are checked against their manifests where they are read;
* nothing is judged and nothing disappears: an account that is no longer ranked is told, and not called clean;
* contact tokens made with another key cannot be compared, so they are counted and said to be not comparable,
  rather than told as gone and new;
* a place moves only against accounts that were in the same tier before: who enters above pushes nobody;
* a law-enforcement hold is never given as the reason for what is missing.

Left to others: words and tables (outputs/rundiff.py), differences between policies (`rules diff`).
Source: DESIGN 6; "new evidence reopens a case, with what is new marked".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import polars as pl

from merchantscreen.identifiers import KEYED_KINDS
from merchantscreen.outputs.manifest import Manifest, written_value
from merchantscreen.outputs.parts import Bundle
from merchantscreen.tables import RunChanges, schema_of
from merchantscreen.vocabulary import BlindSpot, EvidenceFamily, RuleOutcome, Tier

_TIERS: Final = tuple(tier.value for tier in Tier)
_CASES: Final = frozenset({Tier.T1.value, Tier.T2.value, Tier.T3.value})
_ITEM_FIELDS: Final = (
    "strength_nano", "points_nano", "weight_nano", "reliability_nano", "match", "seen_as", "risk_nano", "linked_count",
    "shared_risk_nano", "others_count", "base_rate_nano", "contributor_count", "from_confirmed", "transaction_count",
    "first_at", "last_at", "referral_ids",
)  # fmt: skip
_DOMAIN_FIELDS: Final = (
    "match_scope", "confidence_nano", "confirmed", "dedicated", "window_from_at", "window_until_at", "referral_ids",
    "hotlines", "assurance", "caveats",
)  # fmt: skip

_RANKED: Final = (
    "account_id", "dba_name", "tier", "rank", "points_nano", "tier_reason", "counter_evidence", "referral_ids",
)  # fmt: skip

Row = Mapping[str, Any]
Key = tuple[str, ...]


class State(StrEnum):
    """What became of one thing that either run holds."""

    SAME = "same"
    APPEARED = "appeared"
    DISAPPEARED = "disappeared"
    CHANGED = "changed"
    NOT_COMPARABLE = "not_comparable"


class Move(StrEnum):
    """What became of an account, the weightiest that holds."""

    ENTERED = "entered"
    MOVED_UP = "moved_up"
    LEFT = "left"
    MOVED_DOWN = "moved_down"
    PLACE = "place"
    POINTS = "points"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value before and now; null where it is not known or the thing is not there."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class FileChange:
    """One input file by its content: in both runs, only in the new one, or only in the old one."""

    state: State
    role: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ThingChange:
    """A referral, domain or blind spot that is new, gone or different.

    `key` is its name in parts; `why` the blind spot that the new run gives for a referral that no longer counts.
    """

    state: State
    key: Key
    fields: tuple[FieldChange, ...] = ()
    why: str | None = None


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One ledger item of an account that appeared, disappeared or changed.

    Where tokens cannot be compared, `counterpart` is empty and the fields hold the number of items and their points.
    """

    state: State
    family: str
    kind: str
    counterpart: str
    points_before_nano: int | None
    points_after_nano: int | None
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that decides otherwise for an account; an outcome is null where the rule was not asked."""

    rule_id: str
    outcome_before: str | None
    outcome_after: str | None
    exception_before: str | None
    exception_after: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an account stands in one run; `place` counts within its tier, among those in it in both runs."""

    tier: str
    rank: int
    place: int | None
    points_nano: int
    tier_reason: str


@dataclass(frozen=True, slots=True)
class AccountChange:
    """One account for which anything differs; `before` or `after` is None where it is not ranked."""

    account_id: str
    dba_name: str | None
    move: Move
    before: Standing | None
    after: Standing | None
    items: tuple[ItemChange, ...]
    rules: tuple[RuleChange, ...]
    doubts_came: tuple[str, ...]
    doubts_went: tuple[str, ...]
    referrals_came: tuple[str, ...]
    referrals_went: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunDifference:
    """All that differs between two runs.

    Attributes:
        old: Manifest of the run before.
        new: Manifest of the run now.
        facts: What the runs worked with that differs: moment, policy, key, versions, parameters.
        files: Every input file, the same ones included.
        referrals: Referrals that began or ceased to count.
        domains: Flagged domains that are new, gone or different.
        accounts: Accounts for which anything differs, the weightiest first.
        unchanged_count: Accounts ranked in both, for which nothing differs.
        blind_spots: What can or cannot be tested now, other than before.
        tokens_comparable: Whether contact tokens were made with the same key.
    """

    old: Manifest
    new: Manifest
    facts: tuple[FieldChange, ...]
    files: tuple[FileChange, ...]
    referrals: tuple[ThingChange, ...]
    domains: tuple[ThingChange, ...]
    accounts: tuple[AccountChange, ...]
    unchanged_count: int
    blind_spots: tuple[ThingChange, ...]
    tokens_comparable: bool

    def count(self, move: Move) -> int:
        """Count the accounts of which this became."""
        return sum(one.move is move for one in self.accounts)

    @property
    def needs_a_look(self) -> bool:
        """Tell whether any account entered or moved up."""
        return any(one.move in {Move.ENTERED, Move.MOVED_UP} for one in self.accounts)


def difference(old: Bundle, new: Bundle) -> RunDifference:
    """Compare two runs.

    Args:
        old: The run before.
        new: The run now.
    """
    comparable = old.manifest.pseudonym_key_id == new.manifest.pseudonym_key_id
    accounts, unchanged = _accounts(old, new, comparable)
    return RunDifference(
        old=old.manifest,
        new=new.manifest,
        facts=tuple(_facts(old.manifest, new.manifest)),
        files=tuple(_files(old.manifest, new.manifest)),
        referrals=tuple(_referrals(old, new)),
        domains=tuple(_things(_keyed(old.domains, ("domain",)), _keyed(new.domains, ("domain",)), _DOMAIN_FIELDS)),
        accounts=accounts,
        unchanged_count=unchanged,
        blind_spots=tuple(_blind_spots(old.blind_spots, new.blind_spots)),
        tokens_comparable=comparable,
    )


def changes(old: Bundle, new: Bundle) -> pl.DataFrame:
    """Give what became of the accounts and their items as tables.RunChanges, the weightiest account first."""
    comparable = old.manifest.pseudonym_key_id == new.manifest.pseudonym_key_id
    rows = [row for one in _accounts(old, new, comparable)[0] for row in _rows(one)]
    return pl.DataFrame(rows, schema=schema_of(RunChanges), orient="row")


def _rows(one: AccountChange) -> Iterator[tuple[str | int | None, ...]]:
    """Write the account itself, then its items."""
    was, is_now = one.before, one.after
    head = one.account_id, one.move.value, was.tier if was else None, is_now.tier if is_now else None
    nothing = (None, None, None, None)
    yield *head, *nothing, was.points_nano if was else None, is_now.points_nano if is_now else None
    for item in one.items:
        yield (*head, item.family, item.kind, item.counterpart, item.state.value, item.points_before_nano,
               item.points_after_nano)  # fmt: skip


# --------------------------------------------------------------------------- what the runs worked with


def _facts(old: Manifest, new: Manifest) -> Iterator[FieldChange]:
    before, after = _stated(old), _stated(new)
    for name in sorted(before.keys() | after.keys(), key=lambda name: (name.count("."), name)):
        if before.get(name) != after.get(name):
            yield FieldChange(name, before.get(name), after.get(name))


def _stated(manifest: Manifest) -> dict[str, Any]:
    """List what shapes a result beside the input files, by a name with dots."""
    stated: dict[str, Any] = {
        "as_of": manifest.as_of,
        "policy": manifest.policy.digest,
        "approval": manifest.policy.approval.state.value,
        "contact_key": manifest.pseudonym_key_id,
        "suffix_list": manifest.suffix_list_date,
    }
    groups: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("version", manifest.versions),
        ("parameter", manifest.parameters),
        ("policy_file", manifest.policy.files),
    )
    return stated | {f"{group}.{name}": value for group, values in groups for name, value in values.items()}


def _files(old: Manifest, new: Manifest) -> Iterator[FileChange]:
    before, after = ({(one.role, one.sha256): one.name for one in m.inputs} for m in (old, new))
    for key in sorted(before.keys() | after.keys(), key=lambda key: (key[0], after.get(key, before.get(key)), key[1])):
        state = _state_of(key in before, key in after)
        yield FileChange(state, key[0], after.get(key) or before[key], key[1])


def _state_of(was: bool, is_now: bool) -> State:  # noqa: FBT001
    if was and is_now:
        return State.SAME
    return State.APPEARED if is_now else State.DISAPPEARED


# --------------------------------------------------------------------------- referrals, domains, blind spots


def _referrals(old: Bundle, new: Bundle) -> Iterator[ThingChange]:
    """Tell which referrals began or ceased to count, and the reason the new run states for it, but no hold."""
    before, after = (set[str]().union(*bundle.domains["referral_ids"].to_list()) for bundle in (old, new))
    told = new.blind_spots.filter(
        pl.col("kind").str.starts_with("referral_") & (pl.col("kind") != BlindSpot.HELD_FOR_LAW_ENFORCEMENT)
    )
    why: dict[str, str] = dict(told.select("subject", "kind").iter_rows())
    yield from (ThingChange(State.APPEARED, (name,)) for name in sorted(after - before))
    yield from (ThingChange(State.DISAPPEARED, (name,), why=why.get(name)) for name in sorted(before - after))


def _blind_spots(old: pl.DataFrame, new: pl.DataFrame) -> Iterator[ThingChange]:
    """Compare blind spots by kind and subject; the subject of a hold is left out."""
    key = ("kind", "subject")
    held = pl.col("kind") == BlindSpot.HELD_FOR_LAW_ENFORCEMENT
    subject = pl.when(held).then(pl.lit("")).otherwise(pl.col("subject")).alias("subject")
    summed = (frame.with_columns(subject).group_by(*key).agg(pl.col("count").sum()) for frame in (old, new))
    before, after = (_keyed(frame, key) for frame in summed)
    return _things(before, after, ("count",))


def _keyed(frame: pl.DataFrame, key: Sequence[str]) -> dict[Key, Row]:
    return {tuple(row[name] for name in key): row for row in frame.iter_rows(named=True)}


def _things(before: Mapping[Key, Row], after: Mapping[Key, Row], names: Sequence[str]) -> Iterator[ThingChange]:
    """Compare rows by key: the new ones first, then those that are gone, then those that differ."""
    yield from (ThingChange(State.APPEARED, key) for key in sorted(after.keys() - before.keys()))
    yield from (ThingChange(State.DISAPPEARED, key) for key in sorted(before.keys() - after.keys()))
    for key in sorted(before.keys() & after.keys()):
        fields = _changed(before[key], after[key], names)
        if fields:
            yield ThingChange(State.CHANGED, key, fields)


def _changed(before: Row, after: Row, names: Iterable[str]) -> tuple[FieldChange, ...]:
    differing = (name for name in names if before[name] != after[name])
    return tuple(FieldChange(name, written_value(before[name]), written_value(after[name])) for name in differing)


# --------------------------------------------------------------------------- accounts


@dataclass(frozen=True, slots=True)
class _Side:
    """One run: its ranking, and those of its items and rule results that differ from the other run, by account."""

    ranked: Mapping[str, Row]
    items: Mapping[str, Mapping[Key, Row]]
    rules: Mapping[str, Mapping[Key, Row]]


def _sides(old: Bundle, new: Bundle, *, comparable: bool) -> tuple[_Side, _Side]:
    """Pick the rows of either run that the other does not hold as they are; a large run has few of them."""
    items = _differing_items(*(_last_round(bundle) for bundle in (old, new)), comparable=comparable)
    rules = _differing(old.rules, new.rules, ("account_id", "rule_id", "outcome", "exception_id"))
    before, after = (
        _Side(
            {row["account_id"]: row for row in bundle.ranking.select(_RANKED).iter_rows(named=True)},
            _by_account(items[number], "subject", ("family", "kind", "counterpart")),
            _by_account(rules[number], "account_id", ("rule_id",)),
        )
        for number, bundle in enumerate((old, new))
    )
    return before, after


def _last_round(bundle: Bundle) -> pl.DataFrame:
    items = bundle.ledger.filter(pl.col("round") == bundle.manifest.model["account_rounds"])
    return items.select("subject", "family", "kind", "counterpart", "kind_points_nano", *_ITEM_FIELDS)


def _differing_items(old: pl.DataFrame, new: pl.DataFrame, *, comparable: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep items that differ; items with tokens under another key are all kept, since no two of them compare."""
    on = ("subject", "family", "kind", "counterpart", *_ITEM_FIELDS)
    if comparable:
        return _differing(old, new, on)
    keyed = pl.col("kind").is_in(sorted(KEYED_KINDS))
    before, after = _differing(old.filter(~keyed), new.filter(~keyed), on)
    return pl.concat([before, old.filter(keyed)]), pl.concat([after, new.filter(keyed)])


def _differing(old: pl.DataFrame, new: pl.DataFrame, on: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the rows of each frame that the other does not hold with the same values; null equals null."""
    keys = [pl.col(name).list.join("\n") if old.schema[name] == pl.List else pl.col(name) for name in on]
    before = old.join(new, on=keys, how="anti", nulls_equal=True)
    return before, new.join(old, on=keys, how="anti", nulls_equal=True)


def _by_account(frame: pl.DataFrame, account: str, key: Sequence[str]) -> dict[str, dict[Key, Row]]:
    rows: dict[str, dict[Key, Row]] = {}
    for row in frame.iter_rows(named=True):
        rows.setdefault(row[account], {})[tuple(row[name] for name in key)] = row
    return rows


def _accounts(old: Bundle, new: Bundle, comparable: bool) -> tuple[tuple[AccountChange, ...], int]:  # noqa: FBT001
    before, after = _sides(old, new, comparable=comparable)
    stayed = [
        name
        for name in before.ranked.keys() & after.ranked.keys()
        if before.ranked[name]["tier"] == after.ranked[name]["tier"]
    ]
    places = _places(before.ranked, stayed), _places(after.ranked, stayed)
    told = []
    names = sorted(before.ranked.keys() | after.ranked.keys())
    for name in names:
        was = _standing(before.ranked.get(name), places[0])
        is_now = _standing(after.ranked.get(name), places[1])
        change = _account(name, (before, after), (was, is_now), comparable=comparable)
        if change is not None:
            told.append(change)
    return tuple(sorted(told, key=_importance)), len(names) - len(told)


def _places(ranked: Mapping[str, Row], stayed: Sequence[str]) -> dict[str, int]:
    """Count places within each tier among the accounts that stayed in it; equal ranks share a place."""
    ranks: dict[str, list[int]] = {}
    for name in stayed:
        ranks.setdefault(ranked[name]["tier"], []).append(ranked[name]["rank"])
    first = {tier: {rank: place for place, rank in reversed(list(enumerate(sorted(all_), 1)))}
             for tier, all_ in ranks.items()}  # fmt: skip
    return {name: first[ranked[name]["tier"]][ranked[name]["rank"]] for name in stayed}


def _standing(row: Row | None, places: Mapping[str, int]) -> Standing | None:
    if row is None:
        return None
    place = places.get(row["account_id"])
    return Standing(row["tier"], row["rank"], place, row["points_nano"], row["tier_reason"])


def _account(
    name: str, sides: tuple[_Side, _Side], standings: tuple[Standing | None, Standing | None], *, comparable: bool
) -> AccountChange | None:
    """State what differs for one account; None where nothing does."""
    old, new = (side.ranked.get(name, {}) for side in sides)
    items = tuple(_items(*(side.items.get(name, {}) for side in sides), comparable=comparable))
    rules = tuple(_rules(*(side.rules.get(name, {}) for side in sides)))
    doubts = _came_and_went(old, new, "counter_evidence")
    referrals = _came_and_went(old, new, "referral_ids")
    move = _move(*standings, changed=bool(items or rules or any(doubts) or any(referrals)))
    if move is None:
        return None
    return AccountChange(name, (new or old)["dba_name"], move, *standings, items, rules, *doubts, *referrals)


def _move(was: Standing | None, is_now: Standing | None, *, changed: bool) -> Move | None:
    if was is None or is_now is None:
        return Move.ENTERED if was is None else Move.LEFT
    if was.tier != is_now.tier:
        return Move.MOVED_UP if _TIERS.index(is_now.tier) < _TIERS.index(was.tier) else Move.MOVED_DOWN
    if was.place != is_now.place:
        return Move.PLACE
    if was.points_nano != is_now.points_nano:
        return Move.POINTS
    return Move.EVIDENCE if changed or was.tier_reason != is_now.tier_reason else None


def _came_and_went(old: Row, new: Row, column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    before, after = set(old.get(column, ())), set(new.get(column, ()))
    return tuple(sorted(after - before)), tuple(sorted(before - after))


def _importance(one: AccountChange) -> tuple[int, int, int, int, str]:
    """Cases before those on watch; among them changes of tier before changes within; then tier and points."""
    tiers = [standing.tier for standing in (one.before, one.after) if standing is not None]
    best = min(_TIERS.index(tier) for tier in tiers)
    latest = one.after or one.before
    points = latest.points_nano if latest is not None else 0
    return int(not _CASES.intersection(tiers)), list(Move).index(one.move), best, -points, one.account_id


# --------------------------------------------------------------------------- items and rules


def _items(before: Mapping[Key, Row], after: Mapping[Key, Row], *, comparable: bool) -> Iterator[ItemChange]:
    told = list(_item_changes(_open(before, comparable), _open(after, comparable)))
    if not comparable:
        told += _token_changes(before, after)
    order = list(EvidenceFamily)
    yield from sorted(told, key=lambda one: (
        -max(one.points_before_nano or 0, one.points_after_nano or 0), order.index(EvidenceFamily(one.family)),
        one.kind, one.counterpart,
    ))  # fmt: skip


def _open(items: Mapping[Key, Row], comparable: bool) -> Mapping[Key, Row]:  # noqa: FBT001
    return items if comparable else {key: row for key, row in items.items() if key[1] not in KEYED_KINDS}


def _item_changes(before: Mapping[Key, Row], after: Mapping[Key, Row]) -> Iterator[ItemChange]:
    for key in before.keys() | after.keys():
        family, kind, counterpart = key
        was, is_now = before.get(key), after.get(key)
        fields = _changed(was, is_now, _ITEM_FIELDS) if was is not None and is_now is not None else ()
        state = _state_of(was is not None, is_now is not None)
        if state is State.SAME and fields:
            state = State.CHANGED
        if state is not State.SAME:
            yield ItemChange(state, family, kind, counterpart, _points(was), _points(is_now), fields)


def _points(row: Row | None) -> int | None:
    return None if row is None else int(row["points_nano"])


def _token_changes(before: Mapping[Key, Row], after: Mapping[Key, Row]) -> Iterator[ItemChange]:
    """Compare what can be compared of items under another key: how many there are of a kind, and their points."""
    for kind in sorted(KEYED_KINDS):
        was, is_now = ([row for key, row in items.items() if key[1] == kind] for items in (before, after))
        counts = (len(was), _kind_points(was)), (len(is_now), _kind_points(is_now))
        if counts[0] != counts[1]:
            names = ("item_count", "kind_points_nano")
            fields = tuple(
                FieldChange(name, old, new) for name, old, new in zip(names, *counts, strict=True) if old != new
            )
            yield ItemChange(
                State.NOT_COMPARABLE, EvidenceFamily.IDENTIFIER, kind, "", counts[0][1], counts[1][1], fields
            )


def _kind_points(items: Sequence[Row]) -> int | None:
    return int(items[0]["kind_points_nano"]) if items else None


def _rules(before: Mapping[Key, Row], after: Mapping[Key, Row]) -> Iterator[RuleChange]:
    """Tell rules that decide otherwise; one that was asked in one run only is told where it hit."""
    for key in sorted(before.keys() | after.keys()):
        was, is_now = before.get(key), after.get(key)
        outcomes = _decided(was), _decided(is_now)
        asked_once = was is None or is_now is None
        if outcomes[0] == outcomes[1] or (asked_once and RuleOutcome.HIT not in (outcomes[0][0], outcomes[1][0])):
            continue
        latest = is_now if is_now is not None else was
        reason = "" if latest is None else str(latest["reason"])
        yield RuleChange(
            key[0], outcomes[0][0], outcomes[1][0], outcomes[0][1], outcomes[1][1], reason if is_now else ""
        )


def _decided(row: Row | None) -> tuple[str | None, str | None]:
    return (None, None) if row is None else (row["outcome"], row["exception_id"])

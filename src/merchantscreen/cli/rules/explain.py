"""`merchantscreen rules explain RULE --account A --run DIR`: why a rule or a tier came out as it did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer

from merchantscreen.bundle import Bundle, read_bundle
from merchantscreen.cli.ranked import no_such_name, ranked_account
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.errors import IntegrityError, UsageError
from merchantscreen.outputs import decisions
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.policy.model import Policy
from merchantscreen.vocabulary import BlindSpot

TIERS: Final = "tier"
"""Word that asks for all tier conditions in place of one rule."""

_RuleId = Annotated[str, typer.Argument(help="Id of a rule or of a condition of tiers.yml, or the word tier.")]
_Account = Annotated[str, typer.Option("--account", help="account_id, as in ranking.csv.", metavar="ACCOUNT")]
_Run = Annotated[Path, typer.Option("--run", help="Folder of a run, such as runs/20261101T000000Z.", metavar="DIR")]


def explain(rule: _RuleId, *, account: _Account, run: _Run, as_json: Json = False) -> None:
    """Explain why a rule or a tier came out as it did for one account.

    Shows the condition as a tree: which parts hold, with the values the run stored, their units, and how far
    they are from the thresholds. Works on the rules the run itself carries, decides every part again, and
    ends with code 4 if that does not lead to the stored outcome. `rules explain tier` shows why the account
    is in no higher tier.
    """
    bundle = read_bundle(run)
    policy = policy_of_run(bundle.policy, bundle.manifest.policy.digest, bundle.manifest.policy.files)
    row = ranked_account(bundle, account)
    tiers = {entry.id for entry in policy.tiers}
    if rule == TIERS or rule in tiers:
        _tell_tier(bundle, policy, row, None if rule == TIERS else rule, as_json=as_json)
    else:
        _tell_rule(bundle, policy, account, rule, as_json=as_json)


def _tell_tier(bundle: Bundle, policy: Policy, row: dict[str, Any], asked: str | None, *, as_json: bool) -> None:
    facts = bundle.facts.filter(pl.col("account_id") == row["account_id"]).to_dicts()
    if len(facts) != 1:
        raise IntegrityError("no facts of a ranked account", (PROBLEMS["MS-RUN-019"].at("facts.jsonl"),))
    told = decisions.tier_decision(policy, facts[0], row, bundle.manifest.policy.approval)
    if as_json:
        show_json(decisions.tier_record(told, asked))
        return
    for line in decisions.tier_lines(told, asked):
        output().print(line, soft_wrap=True)


def _tell_rule(bundle: Bundle, policy: Policy, account: str, rule: str, *, as_json: bool) -> None:
    known = {entry.id: entry for entry in policy.rules}
    if rule not in known:
        names = [*known, *(entry.id for entry in policy.tiers), TIERS]
        raise UsageError("no such rule in the run", (no_such_name("MS-RUN-031", "policy.jsonl", "rule", rule, names),))
    both = pl.concat([bundle.rules, bundle.shadow.select(bundle.rules.columns)])
    of_account = both.filter(pl.col("account_id") == account)
    results = of_account.filter(pl.col("rule_id") == rule).to_dicts()
    if not results:
        asked = of_account["rule_id"].to_list()
        raise UsageError("no result", (no_such_name("MS-RUN-032", "rules.jsonl", "rule_id", rule, asked),))
    spots = bundle.blind_spots.filter(pl.col("kind") == BlindSpot.COLUMN_ABSENT)
    approval = bundle.manifest.policy.approval
    told = decisions.rule_decision(policy, known[rule], results[0], approval, frozenset(spots["subject"]))
    if as_json:
        show_json(decisions.rule_record(told))
        return
    for line in decisions.rule_lines(told):
        output().print(line, soft_wrap=True)

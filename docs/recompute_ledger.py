"""Recompute every number of a run from its own rows, without our code: python docs/recompute_ledger.py RUN_FOLDER"""
import json, sys
from collections import defaultdict
from decimal import Decimal as D, getcontext
getcontext().prec, N = 60, 10**9
load = lambda name: [json.loads(line) for line in open(f"{sys.argv[1]}/{name}.jsonl", encoding="utf-8")]
nano = lambda exact: int(D(exact).to_integral_value("ROUND_HALF_EVEN"))
score = lambda points: nano((1 - (-D(points) / N).exp()) * N)  # S = 1 - exp(-E)
model = json.load(open(f"{sys.argv[1]}/manifest.json", encoding="utf-8"))["model"]
confidence = {d["domain"]: d["confidence_nano"] for d in load("domains")}
def check(what, stated, computed):
    if stated != computed: sys.exit(f"DIFFERS {what}: stated {stated}, recomputed {computed}")
def norm(family, points):  # links add up by the 3/2-norm, everything else by the root of squares; both are capped
    p, cap = D("1.5") if family == "link" else D(2), model["typology_cap_nano" if family == "typology" else "kind_cap_nano"]
    return min(cap, nano(sum(D(e) ** p for e in points) ** (1 / p))) if points else 0
pool, groups, total, direct, carried, own = defaultdict(int), defaultdict(list), defaultdict(int), defaultdict(int), defaultdict(int), {}
terms, ledger = load("contributions"), load("ledger")
for t in terms:  # a = rho / d; a pool is what all holders of an identifier pass on through it
    check(f"contribution {t}", t["contribution_nano"], nano(D(t["risk_nano"]) / t["breadth_count"]))
    pool[t["round"], t["kind"], t["value"]] += t["contribution_nano"]
    own[t["round"], t["kind"], t["value"], t["account_id"]] = t["contribution_nano"]
for i in ledger:
    s, k, n, x = D(i["weight_nano"]) * i["reliability_nano"] / N, i["shared_risk_nano"], i["others_count"], (i["round"], i["kind"], i["counterpart"])
    if i["family"] == "link":  # s = w g f rho / sqrt(deg)
        s = s * i["match_factor_nano"] * i["risk_nano"] / D(N) ** 2 / D(i["linked_count"]).sqrt()
    if i["family"] == "identifier":  # s = w g u; k is what the others pass on, u what chance does not explain of it
        check(f"k of {i}", k, pool[x] - own.get((*x, i["subject"]), 0))
        excess = D(k - i["base_rate_nano"] * n) / (i["kappa_nano"] + N * D(n) ** D("0.75"))
        s *= min(1, max(excess, D(model["residual_nano"]) * k / N / (i["kappa_nano"] + N * n)))
    check(f"strength of {i}", i["strength_nano"], nano(s))
    check(f"points of {i}", i["points_nano"], nano(-(1 - D(i["strength_nano"]) / N).ln() * N))  # e = -ln(1 - s)
    groups[i["round"], i["subject"], i["family"], i["kind"]].append(i)
for (at, subject, family, kind), items in groups.items():
    check(f"points of {subject} by {kind}", items[0]["kind_points_nano"], norm(family, [i["points_nano"] for i in items]))
    check(f"shares of {subject} by {kind}", items[0]["kind_points_nano"], sum(i["share_nano"] for i in items))
    total[family == "typology", at, subject] += items[0]["kind_points_nano"]
    direct[at, subject] += norm(family, [i["points_nano"] for i in items if i["from_confirmed"]])
for (typology, at, subject), points in list(total.items()):  # rho = max(lambda S, lambda_d S_direct), carried into the next round
    if not typology: carried[at, subject] = max(nano(D(model["indirect_carry_nano"]) * score(points) / N), nano(D(model["direct_carry_nano"]) * score(direct[at, subject]) / N))
for t in terms: check(f"risk in {t}", t["risk_nano"], carried[t["round"] - 1, t["account_id"]])
for i in ledger:  # a domain's risk: its own confidence, or what the domain round carried to it, whichever is more
    if i["family"] == "link": check(f"risk in {i}", i["risk_nano"], max(confidence[i["counterpart"]], carried[0, i["counterpart"]] if i["round"] else 0))
for r in load("ranking"): check(f"points of {r}", r["points_nano"], sum(total[t, model["account_rounds"], r["account_id"]] for t in (True, False)))
print(f"{len(ledger)} items and {len(terms)} contributions recomputed; every digit agrees.")

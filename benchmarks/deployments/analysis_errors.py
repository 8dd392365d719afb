"""How often one step of a canary errs: live AUC of simulated models, looked at as the agent looks, beside looking at every tick.

Scores are normal with unit variance, shifted for the positive class so that the AUC is the one wanted (binormal model). A tick brings 40
labelled rows to each version; a step ends when it passes, fails, or has used its looks.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from modelyard.deployments.analysis import AnalysisRule, Phase, Sample, analyse

RULE = AnalysisRule(metric="auc", margin=0.05, min_rows=300, max_looks=8)
NAIVE = replace(RULE, max_looks=1)  # every tick is a single look at the full level
STABLE, POSITIVE, TICK, MOST = 0.75, 0.25, 40, 5200


def labelled(rng: np.random.Generator, auc: float) -> tuple[list[int], list[float]]:
    """``MOST`` labels, a quarter of them positive, and scores with this AUC."""
    shift = NormalDist().inv_cdf(auc) * 2**0.5
    truth = (rng.random(MOST) < POSITIVE).astype(int)
    return truth.tolist(), (rng.normal(size=MOST) + shift * truth).tolist()


def sample(side: tuple[list[int], list[float]], rows: int) -> Sample:
    truth, scores = side
    return Sample(200, 0, rows, [5.0] * 200, (), {"probability": scores[:rows]}, truth[:rows])


def step(rng: np.random.Generator, candidate: float, naive: bool) -> tuple[Phase, int]:
    sides = labelled(rng, STABLE), labelled(rng, candidate)
    before = None
    for rows in range(TICK, MOST, TICK):
        rule, known = (NAIVE, None) if naive else (RULE, before)
        before = analyse(sample(sides[0], rows), sample(sides[1], rows), rule, before=known)
        if before.phase in (Phase.SUCCESSFUL, Phase.FAILED) or (not naive and before.phase is Phase.INCONCLUSIVE):
            return before.phase, rows
    return Phase.INCONCLUSIVE, MOST


def main(runs: int) -> None:
    print(f"AUC {STABLE} against margin {RULE.margin}, confidence {RULE.confidence:.0%}, {runs} steps each\n")
    print("| candidate minus stable | looks | passed | failed | inconclusive | median rows |")
    print("|---|---|---|---|---|---|")
    for difference in (0.03, 0.0, -0.05, -0.10, -0.15):
        for naive in (False, True):
            rng = np.random.default_rng(2026)
            found = [step(rng, STABLE + difference, naive) for _ in range(runs)]
            share = Counter(phase for phase, _ in found)
            rates = [share[p] / runs for p in (Phase.SUCCESSFUL, Phase.FAILED, Phase.INCONCLUSIVE)]
            told = " | ".join(f"{rate:.1%}" for rate in rates)
            looks = "at every tick" if naive else "as modelyard"
            print(f"| {difference:+.2f} | {looks} | {told} | {int(np.median([rows for _, rows in found]))} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)

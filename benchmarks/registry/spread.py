"""How the versions of a benchmark are spread: a fifth under one name, the rest over a hundredth as many models as there are versions.

Standard library only: the peers read it in environments of their own. Every figure follows from the number of a version in the whole set, so
that a question can be asked whose answer is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BIG = "fraud"
"""The name that has a fifth of all."""
STAGES = ("dev", "test", "canary", "shadow", "eval", "nightly", "release", "hotfix", "replay", "audit")
RARE = 1000
"""One version in so many has the rare tag value."""
LABELLED = 10
"""One version in so many of a model has a label."""


@dataclass(frozen=True)
class Spread:
    """So many versions; figures about any of them."""

    versions: int

    @property
    def big(self) -> int:
        """Versions of the big model."""
        return self.versions // 5

    @property
    def models(self) -> int:
        """Models beside it."""
        return max(1, self.versions // 100)

    def each(self) -> Iterator[tuple[int, str, int]]:
        """Index in the whole set, name and number of every version, in the order in which they were registered: all models grow at once."""
        numbers = [0] * (self.models + 1)
        for index in range(self.versions):
            model = self._model(index)
            numbers[model] += 1
            yield index, self.name(model), numbers[model]

    def _model(self, index: int) -> int:
        """The big model takes every fifth, the others the rest in turns."""
        return 0 if index % 5 == 0 and index // 5 < self.big else 1 + (index - index // 5 - 1) % self.models

    def name(self, model: int) -> str:
        """0 is the big model."""
        return BIG if model == 0 else f"model-{model:06d}"

    def names(self) -> Iterator[str]:
        """All models, the big one first."""
        return (self.name(model) for model in range(self.models + 1))


def tags(index: int) -> dict[str, str]:
    """Three tags: of a value that no other version has, of one of ten values, of a rare value."""
    return {
        "build": f"2026.{index:08d}",
        "stage": STAGES[index // 7 % 10],
        "region": f"antarctica-{index // RARE % 7}" if index // 3 % RARE == 13 else f"region-{index % 3}",
    }


def metrics(index: int) -> dict[str, float]:
    """Two metrics."""
    return {"auc": 0.5 + (index * 7919 % 100_000) / 200_000, "loss": (index * 104_729 % 100_000) / 100_000}


def label(number: int) -> str | None:
    """A tenth of the versions has one."""
    return f"{number // 1000}.{number // 10 % 100}.0" if number % LABELLED == 3 else None


def aliases(number: int) -> dict[str, int]:
    """Of a model that has so many versions."""
    return {"production": max(1, number - 3), "staging": number}

"""modelyard's SDK in a process of its own, on the yard that the argument names (a folder or a database URL); asked as answering.py says.

The second argument says with how many versions the yard was filled: questions go all over them.
"""

from __future__ import annotations

import sys

from benchmarks.registry import answering, spread
from modelyard import Model, Workspace
from modelyard.core.digests import Digest
from modelyard.core.names import ModelName
from modelyard.registry import NewVersion
from modelyard.registry.search import PAGE_LIMIT, Page

WORKSPACE = Workspace(sys.argv[1], create=False)
PLAN = spread.Spread(int(sys.argv[2]))
EACH = 80
"""Versions of every model but the big one."""
PAGE = 100
DIGEST = Digest.of(b"what every version of the benchmark is")


def prepare(names: list[str]) -> None:
    """Makes models with one version each, at which their alias points."""
    for name in names:
        WORKSPACE.promote(f"{name}/{register(0, name)}", to="production")


def register(i: int, name: str = "own") -> int:
    """The metadata part of a registration, with two tags; its number."""
    tags = {"build": f"new.{i}", "stage": "dev"}
    new = NewVersion("model", ModelName(name), DIGEST, None, "files", 1, 1, tags=tags)
    return WORKSPACE.registry.create_version(new).number


def other(i: int) -> str:
    """Any model but the big one."""
    return PLAN.name(1 + i * 7919 % PLAN.models)


def get(reference: str) -> int:
    """The version; its number."""
    return WORKSPACE.model(reference).version


FILTERS = {
    "one of ten values": lambda i: f"tags.stage = '{spread.STAGES[i % 10]}'",
    "one of ten values, in the big name": lambda i: f"name = '{spread.BIG}' and tags.stage = '{spread.STAGES[i % 10]}'",
    "a rare value": lambda i: f"tags.region = 'antarctica-{i % 7}'",
    "a value that one has": lambda i: f"tags.build = '{spread.tags(i * 7919 % PLAN.versions)['build']}'",
    "two tags": lambda i: f"tags.stage = '{spread.STAGES[i % 10]}' and tags.region = 'region-{i % 3}'",
    "a tag and a metric": lambda i: f"tags.stage = '{spread.STAGES[i % 10]}' and metrics.auc >= 0.95",
}
MARKS: dict[str, list[str]] = {}
"""By filter: where a page far into what is found begins, a mark for each of ten questions."""


def search(text: str, mark: str | None = None, size: int = PAGE) -> Page[Model]:
    """One page."""
    return WORKSPACE.search(text, limit=size, page_token=mark)


def further(what: str, i: int) -> int:
    """The page that begins after nine tenths of all that is found."""
    return len(search(FILTERS[what](i), MARKS[what][i % 10]).items)


def walk(what: str) -> None:
    """Goes there."""
    MARKS[what] = []
    for i in range(10):
        mark, left = None, PLAN.versions // (50 if "big" in what else 10) * 9 // 10
        while left > 0:
            page = search(FILTERS[what](i), mark, min(left, PAGE_LIMIT))
            mark, left = page.next_token, left - len(page.items)
        MARKS[what].append(str(mark))


OPERATIONS: dict[str, answering.Operation] = {
    "register": register,
    "register one name": lambda i: register(i, "race"),
    "register own names": lambda i: register(i, f"own-{i % 8}"),
    "alias move": lambda i: WORKSPACE.promote(f"own/{1 + i % 2}", to="production"),
    "get by number": lambda i: get(f"{spread.BIG}/{1 + i * 7919 % PLAN.big}"),
    "get by number, any model": lambda i: get(f"{other(i)}/{1 + i * 31 % EACH}"),
    "get by alias": lambda _: get(f"{spread.BIG}@production"),
    "get by alias, any model": lambda i: get(f"{other(i)}@staging"),
    "get by label": lambda i: get(f"{spread.BIG}:{spread.label(3 + 10 * (i * 7919 % (PLAN.big // 10)))}"),
    "get by label, any model": lambda i: get(f"{other(i)}:{spread.label(3 + 10 * (i % 8))}"),
    "get latest": lambda _: get(spread.BIG),
    "get latest, any model": lambda i: get(other(i)),
}
for name, text in FILTERS.items():
    OPERATIONS[f"search, {name}"] = lambda i, text=text: len(search(text(i)).items)
    OPERATIONS[f"search, {name}, far on"] = lambda i, name=name: further(name, i)

if __name__ == "__main__":
    answering.serve(OPERATIONS, {"prepare": prepare, "walk": walk})

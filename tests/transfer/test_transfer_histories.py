"""Three yards that change the same versions and meet in any order: in the end they say the same, and each ledger holds."""

import itertools
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transfer_yards import START, StepClock, counts, said

from modelyard import Workspace
from modelyard.core.errors import NoEarlierVersion, RemovalConflict, VersionArchived, VersionInUse
from modelyard.core.names import AliasName, ModelName
from modelyard.registry import past
from modelyard.transfer import Choices, mirror

YARDS = 3
KEYS, VALUES = ["a", "b"], ["1", "2", "3"]

where = st.integers(0, YARDS - 1)
number = st.integers(1, 3)
steps = st.one_of(
    st.tuples(st.just("tag"), where, number, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.tuples(st.just("untag"), where, number, st.sampled_from(KEYS)),
    st.tuples(st.just("describe"), where, number, st.sampled_from(VALUES)),
    st.tuples(st.just("log"), where, number, st.sampled_from(KEYS), st.floats(0, 1)),
    st.tuples(st.just("promote"), where, number),
    st.tuples(st.just("rollback"), where),
    st.tuples(st.just("remove"), where),
    st.tuples(st.just("archive"), where, number),
    st.tuples(st.just("restore"), where, number),
    st.tuples(st.just("mirror"), where, where, st.sampled_from(["mine", "theirs"])),
)


def do(yards: list[Workspace], step: tuple[Any, ...]) -> None:
    what, ws, *rest = step[0], yards[step[1]], *step[2:]
    reference = f"fraud/{rest[0]}" if rest else ""
    if what == "tag":
        ws.model(reference).add_tags({rest[1]: rest[2]})
    elif what == "untag":
        ws.model(reference).remove_tags([rest[1]])
    elif what == "describe":
        ws.model(reference).describe(description=rest[1])
    elif what == "log":
        ws.model(reference).log_metrics({rest[1]: rest[2]})
    elif what == "promote":
        ws.promote(reference, to="production")
    elif what == "rollback":
        if "production" in ws.registry.aliases("model", ModelName("fraud")):
            ws.rollback("fraud@production")
    elif what == "remove":
        if "production" in ws.registry.aliases("model", ModelName("fraud")):
            ws.registry.remove_alias("model", ModelName("fraud"), AliasName("production"))
    elif what in ("archive", "restore"):
        getattr(ws.model(reference), what)()
    elif step[1] != step[2]:
        meet(ws, yards[step[2]], step[3])


def meet(source: Workspace, target: Workspace, side: str = "mine") -> None:
    """Mirrors, and settles what both have moved; what is gone on one side and used on the other stays."""
    try:
        mirror(source, target, choices=Choices(keep_mine=side == "mine", take_theirs=side == "theirs"))
    except RemovalConflict:
        mirror(source, target, choices=Choices(keep_mine=True))


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(steps, max_size=12))
def test_three_yards_that_meet_in_any_order_say_the_same_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, listed: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("yards")
    yards = [
        Workspace(folder / str(n), actor="abc"[n], clock=StepClock(START + timedelta(minutes=7 * n)))
        for n in range(YARDS)
    ]
    for number in range(3):
        (folder / "x").write_text(str(number))
        yards[0].register("fraud", folder / "x")
    yards[0].promote("fraud/1", to="production")
    for other in yards[1:]:
        mirror(yards[0], other)
    for step in listed:
        with suppress(VersionInUse, VersionArchived, NoEarlierVersion):
            do(yards, step)
    for _ in range(2):
        for one, two in itertools.permutations(yards, 2):
            meet(one, two)
    first = said(yards[0])
    for ws in yards:
        assert said(ws) == first
        assert not ws.check().problems
        name = ModelName("fraud")
        pointers = ws.registry.aliases("model", name)
        with ws.registry.read() as connection:
            for alias, found in past.aliases(connection, "default", "model", name).items():
                assert pointers[alias.removeprefix("@")] == found.value
            for number in (1, 2, 3):
                facts = past.of_version(connection, "default", "model", f"fraud/{number}")
                model = ws._model(ws.registry.any_version("model", name, number))
                assert model.tags == {
                    k.removeprefix("tags."): v.value for k, v in facts.items() if k.startswith("tags.")
                }
                assert model.state == facts["state"].value
        before = counts(ws)
        for other in yards:
            if other is not ws:
                assert mirror(other, ws).nothing
        assert counts(ws) == before
        ws.close()

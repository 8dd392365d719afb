"""Searching through a workspace, on both databases."""

from pathlib import Path

import pytest

from modelyard import Workspace, errors
from modelyard.client.dataset import Dataset
from modelyard.client.model import Model


@pytest.fixture
def filled(any_ws: Workspace, tmp_path: Path) -> Workspace:
    (tmp_path / "f").write_text("x")
    data = any_ws.snapshot(tmp_path / "f", "flights", tags={"year": "2013"})
    for number in range(5):
        any_ws.register("fraud", tmp_path / "f", tags={"n": str(number)}, metrics={"auc": number / 10}, datasets=[data])
    return any_ws


def test_what_is_found_is_what_a_reference_would_give(filled: Workspace) -> None:
    page = filled.search("metrics.auc >= 0.3", order_by="metrics.auc")
    assert list(page) == [filled.model("fraud/4"), filled.model("fraud/5")]
    assert len(page) == 2
    assert page.next_token is None
    assert isinstance(page.items[0], Model)
    (data,) = filled.search("tags.year = '2013'", of="dataset_versions")
    assert isinstance(data, Dataset)
    assert data == filled.dataset("flights")
    assert [model.name for model in filled.search(of="models")] == ["fraud"]
    assert [row.to_json()["latest"] for row in filled.search(of="datasets")] == [1]
    assert filled.count("input = 'flights/1'") == 5
    assert filled.count("inputs.train = 'flights/1' or missing(inputs.nothing)") == 5


def test_what_changes_is_found_as_it_is_now(filled: Workspace) -> None:
    model = filled.model("fraud/2")
    model.add_tags({"n": "new", "stage": "checked"})
    model.log_metrics({"auc": 0.95})
    model.add_properties({"mlflow.run_id": "r1"})
    filled.promote("fraud/2", to="production")
    for text in ("tags.n = 'new'", "metrics.auc = 0.95", "run_id = 'r1'", "alias = 'production'", "has(tags.stage)"):
        assert list(filled.search(text)) == [model], text
    assert filled.count("metrics.auc = 0.1 or tags.n = '1'") == 0
    filled.promote("fraud/3", to="production")
    assert [found.version for found in filled.search("'production' in aliases")] == [3]
    model.remove_tags(["stage"])
    assert filled.count("has(tags.stage)") == 0
    assert filled.count("alias = 'production'", of="models") == 1


def test_all_are_found_one_page_after_another(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.client.searches._MANY", 2)
    assert [model.version for model in filled.search_all(order_by="number")] == [1, 2, 3, 4, 5]
    assert [row.sequence for row in filled.search_all(of="ledger", order_by="sequence")] == list(range(1, 9))


def test_a_mistake_is_told_before_the_first_is_asked_for(filled: Workspace) -> None:
    with pytest.raises(errors.InvalidFilter):
        filled.search_all("nam = 'x'")
    with pytest.raises(errors.InvalidOrder):
        filled.search_all(order_by="nam")
    with pytest.raises(errors.InvalidPageSize):
        filled.search(limit=0)
    with pytest.raises(errors.InvalidFilter):
        filled.count("number = 'x'")
    assert filled.count(None) == 5

"""docs/search.md is held to the code: its yard is made, its filters find what it says, its tables list every field."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard import Workspace, errors
from modelyard.cli.carets import pointed
from modelyard.registry.search import FIELDS

PAGE = (Path(__file__).parents[3] / "docs/search.md").read_text()


def test_the_python_and_the_filters_of_the_page_do_what_the_page_says(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "fraud/2 0.93",
        "churn/1 0.91",
        "['fraud/1'] True",
        "['fraud/2'] False",
        "['churn/1', 'fraud/2', 'fraud/1'] 3",
        "[('fraud', 2)]",
        "['fraud@production']",
    ]
    ws = Workspace(tmp_path / "yard")
    lines = [line for block in re.findall(r"```filter\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 20
    for line in lines:
        filter_, _, found = line.partition(" #")
        assert [model.reference for model in ws.search(filter_.strip())] == found.split(), line


def test_the_mistake_of_the_page_is_told_as_the_page_says(ws: Workspace) -> None:
    told = re.search(r"modelyard: (filter .*?) …\n(.*?\n.*?)\n```", PAGE)
    assert told is not None
    with pytest.raises(errors.InvalidFilter) as caught:
        ws.search("metrics.auc > 0.9 and tag.stage = checked")
    assert str(caught.value).startswith(told[1])
    assert "\n".join(pointed(caught.value)) == told[2]


@pytest.mark.parametrize(
    ("subject", "heading"), [("versions", "Of versions"), ("models", "Of models and"), ("ledger", "Of the ledger")]
)
def test_the_page_lists_every_field(subject: str, heading: str) -> None:
    table = PAGE[PAGE.index(heading) :].split("\n\n")[1]
    listed = set(re.findall(r"`(\w+)", " ".join(line.split("|")[1] for line in table.splitlines()[2:])))
    assert listed == set(FIELDS[subject])  # type: ignore[index]

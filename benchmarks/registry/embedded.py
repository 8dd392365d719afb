"""The metadata operations of an embedded registry, beside MLflow's embedded store on SQLite, in one run.

    python benchmarks/registry/embedded.py [--versions 300]

Both keep their database in a temporary folder on the same disk; the operations of the two take turns, so that a busy machine
slows both alike. Prints the median of each, and the ratio; a ratio counts, a time does not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
Operation = Callable[[int], object]


def ours(folder: Path) -> dict[str, Operation]:
    from modelyard import Workspace
    from modelyard.core.digests import Digest
    from modelyard.core.names import ModelName
    from modelyard.registry import NewVersion

    workspace = Workspace(folder)
    registry = workspace.registry

    def create(i: int) -> object:
        tags = {"build": str(i), "kind": "bench"}
        return registry.create_version(
            NewVersion("model", ModelName("fraud"), Digest.of(b"x"), None, "files", 1, 1, tags=tags)
        )

    return {
        "create version": create,
        "get version": lambda i: workspace.model(f"fraud/{i + 1}"),
        "set alias": lambda i: workspace.promote(f"fraud/{i + 1}", to="production"),
        "get by alias": lambda _: workspace.model("fraud@production"),
        "set tag": lambda i: workspace.model(f"fraud/{i + 1}").add_tags({"reviewed": str(i)}),
        "search by tag": lambda i: workspace.model("fraud", tags={"build": str(i)}),
    }


def mlflow(folder: Path) -> dict[str, Operation]:
    from mlflow import MlflowClient

    url = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(tracking_uri=url, registry_uri=url)
    client.create_registered_model("fraud")
    return {
        "create version": lambda i: client.create_model_version(
            "fraud", str(folder), tags={"build": str(i), "kind": "bench"}
        ),
        "get version": lambda i: client.get_model_version("fraud", str(i + 1)),
        "set alias": lambda i: client.set_registered_model_alias("fraud", "production", str(i + 1)),
        "get by alias": lambda _: client.get_model_version_by_alias("fraud", "production"),
        "set tag": lambda i: client.set_model_version_tag("fraud", str(i + 1), "reviewed", str(i)),
        "search by tag": lambda i: client.search_model_versions(f"name = 'fraud' and tag.build = '{i}'"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--versions", type=int, default=300)
    count = parser.parse_args().versions
    with tempfile.TemporaryDirectory() as folder:
        peers = {"modelyard": ours(Path(folder) / "ours")}
        try:
            peers["MLflow"] = mlflow(Path(folder))
        except ImportError:
            print("MLflow is not installed; for the comparison: pip install 'mlflow-skinny==3.17.2' alembic")
        print(f"{'operation':16}" + "".join(f"{name:>16}" for name in peers) + f"{'times faster':>16}")
        for operation in next(iter(peers.values())):
            spent: dict[str, list[float]] = {name: [] for name in peers}
            for i in range(count):
                for name, operations in peers.items():
                    started = time.perf_counter()
                    operations[operation](i)
                    spent[name].append(time.perf_counter() - started)
            medians = {name: statistics.median(times) for name, times in spent.items()}
            ratio = f"{medians['MLflow'] / medians['modelyard']:16.1f}" if "MLflow" in medians else ""
            print(f"{operation:16}" + "".join(f"{1000 * value:13.2f} ms" for value in medians.values()) + ratio)


if __name__ == "__main__":
    main()

"""MLflow's own client in a process of its own environment, on the database or the server that the argument names; asked as answering.py says.

Give it a name of models of its own as the second argument: then the concurrent workers do not all make the same.
"""

from __future__ import annotations

import logging
import sys
import time

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmarks.registry import answering, spread

SOURCE = "s3://bucket/models/m"
BLOCK = 5000
EACH = 2000
"""Versions of the big name that there are at least."""
logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)
PLACE = sys.argv[1]
CLIENT = MlflowClient(tracking_uri=PLACE, registry_uri=PLACE)


def prepare(names: list[str]) -> None:
    """Makes models with one version each, unless they are there."""
    for name in names:
        try:
            CLIENT.create_registered_model(name)
        except MlflowException as problem:
            if problem.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        else:
            CLIENT.set_registered_model_alias(name, "production", register(0, name))


def register(i: int, name: str = "own") -> int:
    """A version with two tags; its number. MLflow answers before it would wait for anything."""
    tags = {"build": f"new.{i}", "stage": "dev"}
    return int(CLIENT.create_model_version(name, SOURCE, tags=tags, await_creation_for=0).version)


def fill(versions: int, database: str) -> float:
    """So many versions, spread as ours are, straight into MLflow's tables; seconds."""
    from sqlalchemy import MetaData, create_engine, insert, text

    started, now = time.perf_counter(), int(time.time() * 1000)
    engine, tables = create_engine(database), MetaData()
    names = ("registered_models", "model_versions", "model_version_tags", "registered_model_aliases")
    tables.reflect(engine, only=names)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in names}
    last: dict[str, int] = {}
    plan = spread.Spread(versions)

    def write() -> None:
        with engine.begin() as connection:
            for name in names:
                own = {"workspace": "default"} if "workspace" in tables.tables[name].c else {}
                if rows[name]:
                    connection.execute(insert(tables.tables[name]), [row | own for row in rows[name]])
                rows[name].clear()

    times = {"creation_time": now, "last_updated_time": now, "description": ""}
    rows["registered_models"] += [{"name": name, **times} for name in plan.names()]
    for index, name, number in plan.each():
        last[name] = number
        facts = {"source": SOURCE, "storage_location": SOURCE, "current_stage": "None", "status": "READY", "run_id": ""}
        rows["model_versions"].append({"name": name, "version": number, **times, **facts})
        rows["model_version_tags"] += [
            {"name": name, "version": number, "key": key, "value": value} for key, value in spread.tags(index).items()
        ]
        if index % BLOCK == 0:
            write()
    rows["registered_model_aliases"] += [
        {"name": name, "alias": alias, "version": number}
        for name, count in last.items()
        for alias, number in spread.aliases(count).items()
    ]
    write()
    if engine.dialect.name == "postgresql":  # which it does by itself after a while
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return time.perf_counter() - started


def search(i: int) -> int:
    """A page of a hundred of one tag value that many have; how many came."""
    return len(CLIENT.search_model_versions(f"tag.stage = '{spread.STAGES[i % 10]}'", max_results=100))


def find(i: int) -> int:
    """The one version of a tag value."""
    return len(CLIENT.search_model_versions(f"tag.build = '{spread.tags(i)['build']}'", max_results=100))


OPERATIONS: dict[str, answering.Operation] = {
    "register": register,
    "register one name": lambda i: register(i, "race"),
    "register own names": lambda i: register(i, f"own-{i % 8}"),
    "alias move": lambda i: CLIENT.set_registered_model_alias("own", "production", 1 + i % 2),
    "get by number": lambda i: CLIENT.get_model_version(spread.BIG, str(1 + i * 7919 % EACH)),
    "get by alias": lambda _: CLIENT.get_model_version_by_alias(spread.BIG, "production"),
    "search, one of ten values": search,
    "search, a value that one has": find,
}

if __name__ == "__main__":
    answering.serve(OPERATIONS, {"prepare": prepare, "fill": fill, "version": lambda: mlflow.__version__})

"""Requests/s and CPU of one replica against a bare uvicorn + starlette handler around the same model.

    python benchmarks/serving/throughput.py [--model logistic|forest] [--seconds 2] [--rounds 3]

The servers take turns in one run, each in a process of its own, and the load comes from this process, so that the
ratios hold on a machine that does other things too. Models of scikit-learn on ten columns: a logistic regression, which costs
less than the HTTP around it, and a random forest of 100 trees, which costs more and shows what batching gives.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = [f"x{i}" for i in range(10)]
CASES = (("1 row, 1 connection", 1, 1), ("1 row, 64 connections", 1, 64), ("256 rows, 8 connections", 256, 8))
SERVERS = ("bare", "replica", "replica + log")


def model(kind: str) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(1)
    x = random.normal(size=(2000, 10))
    kinds = {"logistic": LogisticRegression, "forest": lambda: RandomForestClassifier(100, random_state=1)}
    return kinds[kind]().fit(x, x[:, 0] + random.normal(size=2000) > 0)


def serve_bare(kind: str) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from modelyard.serving.replica import _listen

    fitted = model(kind)

    async def invocations(request: Request) -> JSONResponse:
        rows = (await request.json())["dataframe_split"]["data"]
        return JSONResponse({"predictions": fitted.predict_proba(np.array(rows))[:, 1].tolist()})

    app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"])])
    listener = _listen("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False)).run([listener])


def serve_replica(kind: str, logged: bool) -> None:
    from modelyard.profiles.signature import Field, Signature
    from modelyard.serving.app import create_app
    from modelyard.serving.engine import Engine, Routes, Served
    from modelyard.serving.replica import Replica
    from modelyard.serving.traffic_log import TrafficLog

    fitted = model(kind)

    def predict(columns: Any) -> dict[str, Any]:
        return {"probability": fitted.predict_proba(np.column_stack(list(columns.values())))[:, 1]}

    with tempfile.TemporaryDirectory() as folder:
        recorder = TrafficLog(Path(folder)).open_writer("bench") if logged else None
        engine = Engine("bench", "bench", recorder=recorder)
        signature = Signature(tuple(Field(name, "number") for name in COLUMNS))
        engine.set_routes(Routes(Served("bench", 1, "sha256:" + "0" * 64, signature, predict)))
        replica = Replica(engine, create_app(engine))
        print(replica.port, flush=True)
        replica.run()
        if recorder is not None and recorder.dropped:
            print(f"dropped {recorder.dropped} records", file=sys.stderr)


async def load(port: int, rows: int, connections: int, seconds: float) -> int:
    data = np.random.default_rng(2).normal(size=(rows, 10)).tolist()
    body = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": data}}).encode()
    head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    request = head.format(len(body)).encode() + body
    until = time.perf_counter() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        count = 0
        while time.perf_counter() < until:
            writer.write(request)
            headers = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not headers.startswith(b"http/1.1 200"):
                raise RuntimeError(headers.decode())
            length = int(headers.split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            count += 1
        writer.close()
        return count

    return sum(await asyncio.gather(*(one() for _ in range(connections))))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 where there is no /proc."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("logistic", "forest"), default="logistic")
    parser.add_argument("--seconds", type=float, default=2.0, help="of load a case, server and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve == "bare":
        return serve_bare(options.model)
    if options.serve:
        return serve_replica(options.model, logged=options.serve == "replica + log")

    processes = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--model", options.model, "--serve", name], stdout=subprocess.PIPE, text=True
        )
        for name in SERVERS
    }
    try:
        ports = {name: int(process.stdout.readline()) for name, process in processes.items() if process.stdout}
        for name in SERVERS:
            asyncio.run(load(ports[name], 1, 4, 0.3))  # warm
        print(f"{'case':26}{'server':16}{'requests/s':>11}{'of bare':>9}{'CPU ms':>8}")
        for case, rows, connections in CASES:
            rates: dict[str, list[float]] = {name: [] for name in SERVERS}
            costs: dict[str, list[float]] = {name: [] for name in SERVERS}
            for _ in range(options.rounds):
                for name in SERVERS:
                    before, started = cpu_seconds(processes[name].pid), time.perf_counter()
                    count = asyncio.run(load(ports[name], rows, connections, options.seconds))
                    rates[name].append(count / (time.perf_counter() - started))
                    costs[name].append(1000 * (cpu_seconds(processes[name].pid) - before) / count)
            for name in SERVERS:
                rate = statistics.median(rates[name])
                ratio = statistics.median(a / b for a, b in zip(rates[name], rates["bare"], strict=True))
                print(f"{case:26}{name:16}{rate:11.0f}{ratio:9.2f}{statistics.median(costs[name]):8.2f}")
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(10)
    return None


if __name__ == "__main__":
    main()

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from serving_doubles import served

from modelyard.core.errors import AddressUnusable, PortInUse
from modelyard.serving.app import create_app
from modelyard.serving.engine import Engine, Routes
from modelyard.serving.records import PredictionRecord
from modelyard.serving.replica import Replica
from modelyard.serving.traffic_log import TrafficLog

BODY = json.dumps({"instances": [[1, "UA"]]})
HEADERS = {"Content-Type": "application/json"}


def connect(replica: Replica) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(replica.host, replica.port, timeout=10)


def post(connection: http.client.HTTPConnection) -> tuple[int, str | None, Any]:
    connection.request("POST", "/invocations", BODY, HEADERS)
    answer = connection.getresponse()
    return answer.status, answer.getheader("X-Modelyard-Version"), json.loads(answer.read())


def test_50_swaps_under_load_fail_no_request_and_every_answer_is_of_a_version_that_was_loaded(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    engine = Engine("flights", "r1", recorder=log.open_writer("r1"))
    engine.set_routes(Routes(served(1)))
    replica = Replica(engine, create_app(engine))
    replica.start()
    done = Event()
    failures: list[Any] = []
    counts: list[Counter[str | None]] = []

    def hammer() -> None:
        connection = connect(replica)
        mine: Counter[str | None] = Counter()
        while not done.is_set():
            try:
                status, version, answer = post(connection)
            except Exception as error:  # noqa: BLE001
                failures.append(error)
                break
            if status != 200 or answer != {"predictions": [1.0 + 1000 * int(version or 0)]}:
                failures.append((status, version, answer))
            mine[version] += 1
        connection.close()
        counts.append(mine)

    threads = [Thread(target=hammer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(2, 52):
        old = engine.routes.stable
        assert old is not None
        engine.set_routes(Routes(old, served(number), 0.5))  # a canary first, then stable
        time.sleep(0.008)
        engine.set_routes(Routes(served(number)))
        assert engine.drain(old.digest, 5)
        time.sleep(0.008)
    done.set()
    for thread in threads:
        thread.join(10)
    replica.stop()
    assert failures == []
    seen = sum(counts, Counter[str | None]())
    assert set(seen) <= {str(number) for number in range(1, 52)}
    assert len(seen) > 25  # the load was there all along
    found, _ = log.read()
    assert Counter(str(r.version) for r in found if isinstance(r, PredictionRecord)) == seen  # and each is in the log


def test_a_port_in_use_is_said_before_anything_is_loaded() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        engine = Engine()
        with pytest.raises(PortInUse) as caught:
            Replica(engine, create_app(engine), "127.0.0.1", port)
        assert (caught.value.port, caught.value.host) == (port, "127.0.0.1")
        engine.close()


def test_two_replicas_cannot_take_one_port() -> None:
    engine = Engine()
    first = Replica(engine, create_app(engine))
    with pytest.raises(PortInUse):
        Replica(engine, create_app(engine), port=first.port)
    first.stop()
    again = Replica(engine, create_app(engine), port=first.port)  # never served, but let go
    again.stop()


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 70_000), ("127.0.0.1", -1), ("192.0.2.1", 0), ("no such host.invalid", 0)]
)
def test_an_address_that_cannot_be_listened_on_is_one_clear_error(host: str, port: int) -> None:
    with pytest.raises(AddressUnusable, match="cannot listen on"):
        Replica(Engine(), None, host, port)


def test_a_stop_from_another_thread_finishes_the_request_in_flight() -> None:
    entered, go = Event(), Event()

    def held(columns: Any) -> Any:
        entered.set()
        assert go.wait(5)
        return {"prediction": np.array([7.0])}

    engine = Engine()
    engine.set_routes(Routes(served(1, held)))
    replica = Replica(engine, create_app(engine))
    assert replica.url == f"http://127.0.0.1:{replica.port}"
    replica.start()
    answers: list[Any] = []
    connection = connect(replica)
    asking = Thread(target=lambda: answers.append(post(connection)))
    asking.start()
    assert entered.wait(5)
    stopping = Thread(target=replica.stop)
    stopping.start()
    time.sleep(0.15)  # longer than the server takes to notice
    assert stopping.is_alive()
    go.set()
    stopping.join(5)
    asking.join(5)
    assert answers == [(200, "1", {"predictions": [7.0]})]
    connection.close()
    replica.stop()
    with pytest.raises(ConnectionRefusedError):
        post(connect(replica))


PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from serving_doubles import served
from modelyard.serving.app import create_app
from modelyard.serving.engine import Engine, Routes
from modelyard.serving.replica import Replica
from modelyard.serving.traffic_log import TrafficLog
engine = Engine("flights", "r1", recorder=TrafficLog(Path(sys.argv[1])).open_writer("r1"))
engine.set_routes(Routes(served(1)))
replica = Replica(engine, create_app(engine))
print(replica.port, flush=True)
replica.run()
print("ended", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order_with_its_log_flushed(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        answers = [post(connection)[0] for _ in range(20)]
        os.kill(process.pid, number)
        rest, _ = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert answers == [200] * 20
    assert (process.returncode, rest) == (0, "ended\n")
    assert len(TrafficLog(tmp_path).read()[0]) == 20
    connection.close()

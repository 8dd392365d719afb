"""Live traffic: real flights asked about over HTTP in the order of their departure, and what became of them some days later."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from modelyard.demo.flights import Batch

CONNECTIONS = 4
LABEL_DELAY = timedelta(days=1)


@dataclass
class Tally:
    """What came back: requests, failures with their words, and rows by the version that answered."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)


class Traffic:
    """Asks one replica by the open inference protocol. Labels follow :data:`LABEL_DELAY` of flight time after their flights."""

    def __init__(self, url: str, model: str) -> None:
        import httpx2

        self._client = httpx2.Client(base_url=url, timeout=30)
        self._infer = f"/v2/models/{model}/infer"
        self._labels = f"/v2/models/{model}/labels"
        self.reached = datetime(2013, 1, 1, tzinfo=UTC)
        self._waiting: list[Batch] = []
        self._lock = threading.Lock()
        self.tally = Tally()

    def close(self) -> None:
        self._client.close()

    def metrics(self) -> list[str]:
        """The lines of ``/metrics``."""
        return self._client.get("/metrics").text.splitlines()

    def take_rows(self) -> Counter[str]:
        """Flights answered since the last time this was asked, by version."""
        taken, self.tally.rows = self.tally.rows, Counter()
        return taken

    def replay(
        self, batches: Iterable[Batch], advance: Callable[[int], None], stop: Callable[[], bool] | None = None
    ) -> None:
        """Sends the batches over a few connections until they end or ``stop`` says so; then the labels that are still due."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for group in _groups(batches, CONNECTIONS):
                list(pool.map(self._ask, group))
                self._tell(group[-1].time - LABEL_DELAY)
                advance(sum(len(batch.ids) for batch in group))
                if stop and stop():
                    break
        self._tell(None)

    def ask(self, batch: Batch) -> dict[str, Any]:
        """One request and its answer; it plays no part in the tally, and no label will follow."""
        answer = self._client.post(self._infer, json=_body(batch))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _ask(self, batch: Batch) -> None:
        try:
            answer = self._client.post(self._infer, json=_body(batch))
            problem = "" if answer.status_code == 200 else f"{answer.status_code} {answer.text[:200]}"
        except Exception as error:  # noqa: BLE001 - any failure at all is counted, and told at the end
            answer, problem = None, repr(error)
        with self._lock:
            self.tally.requests += 1
            self.reached = max(self.reached, batch.time)
            if problem or answer is None:
                self.tally.failures.append(problem)
            else:
                self.tally.rows[answer.json()["model_version"]] += len(batch.ids)
                self._waiting.append(batch)

    def _tell(self, until: datetime | None) -> None:
        due = [batch for batch in self._waiting if until is None or batch.time <= until]
        self._waiting = [batch for batch in self._waiting if batch not in due]
        if due:
            labels = {
                "ids": [i for batch in due for i in batch.ids],
                "values": [v for batch in due for v in batch.late],
            }
            self._client.post(self._labels, json=labels).raise_for_status()


def _body(batch: Batch) -> dict[str, Any]:
    """A request of the open inference protocol v2."""
    inputs = [
        {
            "name": name,
            "datatype": "BYTES" if any(isinstance(value, str) for value in values) else "FP64",
            "shape": [len(values)],
            "data": values,
        }
        for name, values in batch.columns.items()
    ]
    parameters = {"ids": batch.ids, "event_time": batch.time.isoformat()}
    return {"id": batch.ids[0], "parameters": parameters, "inputs": inputs}


def _groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group

"""A process that does what it is asked, one line of JSON after the other: a library that must be measured without its start-up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.store.stores import Failed


class Worker:
    """Starts with the first question; ends with :meth:`close`."""

    def __init__(
        self, name: str, cwd: Path, command: Sequence[str | Path], settings: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._errors = (cwd / "worker.log").open("w+")
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | dict(settings or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, do: str, **facts: Any) -> dict[str, Any]:
        """The answer to one question. Raises Failed, also when the process has died."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Failed(f"{self.name}: no pipe")
        try:
            stdin.write(json.dumps({"do": do, **facts}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._errors.seek(0)
            last = (self._errors.read().strip().splitlines() or ["silently"])[-1]
            raise Failed(f"{self.name} died in {do}: {last}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(f"{self.name}: {do} failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it has died, which the last answer has said
                self._process.stdin.close()
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

"""The tour: one model from training to production, a better one, a bad one, and the rest of the year."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from modelyard import pipelines
from modelyard.client.model import Model
from modelyard.client.workspace import Workspace
from modelyard.core.errors import DeploymentNotFound
from modelyard.demo import flights, plot, repository, tables
from modelyard.demo.narration import Narrator
from modelyard.demo.replay import Traffic
from modelyard.deployments import Deployment, monitored
from modelyard.deployments.folder import traffic_folder
from modelyard.deployments.rollout import State
from modelyard.deployments.rollout_records import RolloutRow
from modelyard.serving.traffic_log import TrafficLog

NAME = "flights-delay"
BATCH = 20
CALM = 1600  # flights a month that are replayed while nothing changes
CANARY = 24_000  # at most so many while a canary is out; it decides by itself when it has seen enough
TOLD = {"alias.move", "alias.rollback", "rollout.start", "rollout.abort", "alert.fire"}
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DRAWN = {"temp": "temperature", "humid": "humidity", "wind_speed": "wind", "dest": "destination", "carrier": "airline"}


def tour(folder: Path, console: Console | None = None) -> None:
    """Runs the whole tour in ``folder``. Whatever happens, ^C included, no process is left running.

    What an earlier tour left in the folder is moved aside, not removed. Raises PathUnusable, ToolMissing.
    """
    narrator = Narrator(console or Console(highlight=False, width=None if sys.stdout.isatty() else 150))
    folder = folder.absolute()
    _stop_earlier(folder)
    earlier = repository.prepare(folder)
    narrator.console.print("[bold]modelyard: the whole loop on real flights[/bold]")
    narrator.say("Predict, when a departure is planned, whether the flight arrives more than 15 minutes late.")
    narrator.say(f"Everything stays in {folder}." + (f" The earlier tour is now in {earlier.name}." if earlier else ""))
    with ExitStack() as ending:
        _Tour(folder, narrator, ending).run()


def _stop_earlier(folder: Path) -> None:
    """A tour that was killed may have left its replica."""
    if (folder / repository.MARKER).is_file() and (folder / ".modelyard" / "yard.toml").is_file():
        try:
            Deployment(Workspace(folder), NAME).stop(reason="a new tour begins")
        except DeploymentNotFound:
            return


class _Tour:
    def __init__(self, folder: Path, narrator: Narrator, ending: ExitStack) -> None:
        self.folder = folder
        self.tell = narrator
        self.ending = ending
        self.workspace = Workspace(folder)
        self.started = time.monotonic()
        self.marks: list[plot.Mark] = []
        self.seconds_of: dict[str, datetime] = {}
        self.failures: list[str] = []
        self.asked = 0
        self.done_with = 0  # months
        self.decided = datetime(2013, 1, 1, tzinfo=UTC)

    def run(self) -> None:
        self.table = flights.load()
        self.first_version()
        self.better_version()
        self.bad_version()
        self.rest_of_the_year()
        self.look_back()

    # --- the chapters ---

    def first_version(self) -> None:
        tell, ws = self.tell, self.workspace
        tell.chapter(1, "From training to production")
        commit = repository.begin(self.folder)
        tell.say(f"A git repository with model.py, features.py and modelyard.toml: commit {commit}.")
        self._data(range(1, 4))
        self._pipeline(1)
        model = ws.model(f"{NAME}@production")
        self.deployment = Deployment(ws, NAME)
        tell.say(f"{model.reference} is in production, because its gate holds: {ws.gates(NAME, 'production')[0]}")
        tell.show(tables.facts(model))
        self.traffic = Traffic(str(self.deployment.url), NAME)
        self.ending.callback(self.traffic.close)
        batch = next(flights.batches(self.table, 1, 1, 1, 3))
        answer = self.traffic.ask(batch)
        late = answer["outputs"][-1]["data"][0]
        tell.say(
            f"A replica answers at {self.deployment.url}: flight {batch.ids[0]} is late with probability {late:.2f}."
        )
        self._mark(datetime.fromisoformat("2013-01-01T00:00Z"), "1 goes live", 1)
        self._replay([1, 2, 3], "the months of training, as a test of the alarms")
        self._replay([4, 5, 6], "the months after")

    def better_version(self) -> None:
        tell = self.tell
        tell.chapter(2, "A better version takes over, a share at a time")
        self._data(range(1, 7))
        self._pipeline(2)
        rollout = self._canary()
        if rollout.state is State.DONE:
            self._mark(self.decided, "2 takes over", 2)
            tell.say(
                f"Version 2 passed its analysis and is in production. Failed requests so far: {len(self.failures)}."
            )
        else:
            tell.say(f"Version 2 is {rollout.state}: {rollout.reason}.")
        self.seconds_of["while 2 was live"] = self.workspace.clock.now()

    def bad_version(self) -> None:
        tell = self.tell
        tell.chapter(3, "A bad version is taken out by itself")
        commit = repository.change_features(self.folder)
        tell.say(
            f"Commit {commit} makes the build faster, and takes the hour of departure in UTC where requests are served."
        )
        tell.say("Its offline test reads the hour from the table, so it sees nothing:")
        self._data(range(1, self.done_with + 1))
        self._pipeline(3)
        rollout = self._canary()
        if rollout.state is State.DONE:
            self._mark(self.decided, "3 takes over", 3)
            tell.say("Version 3 took over: the canary did not see enough of the fault.")
        else:
            self._mark(self.decided, "3 is taken out", 3)
            tell.say("Version 3 was taken out by itself; production never left version 2. The ledger says why:")
            row = next(r for r in self.workspace.history(NAME, kind="deployment") if r.action == "rollout.abort")
            tell.show(f"{tables.moment(row.time)}  {row.action}  {row.reason}")

    def rest_of_the_year(self) -> None:
        tell = self.tell
        tell.chapter(4, "The rest of the year, and drift")
        self._replay(range(self.done_with + 1, 13), "the rest of the year")
        drift = [line for line in self.traffic.metrics() if line.startswith("modelyard_drift_score{")]
        tell.say(f"{self.deployment.url}/metrics has it for Prometheus, one of {len(drift)} such lines:")
        tell.show(next((line for line in drift if 'feature="temp"' in line), "\n".join(drift[:1])))
        self.traffic.close()
        self.deployment.stop(reason="the tour is over")
        found = monitored(self.deployment, finish=True)
        tell.say(
            "Drift of live traffic against the data that the live version was trained on, by month (PSI; * beyond its threshold):"
        )
        tell.show(tables.drift(found, list(DRAWN), tell.width))
        fired = [alert for alert in found.alerts if alert.fired is not None]
        for alert in fired:
            since = MONTHS[alert.since.month - 1] if alert.since else "?"
            tell.say(f"Alert: {alert.subject} of version {alert.version} has drifted since {since}.")
        training = [alert for alert in fired if alert.version == 1 and alert.since and alert.since.month < 4]
        tell.say(f"Alerts on the months that version 1 was trained on: {len(training)}.")
        self.found = found

    def look_back(self) -> None:
        tell, ws = self.tell, self.workspace
        tell.chapter(5, "What was, what is, and the way back")
        when = self.seconds_of["while 2 was live"]
        then = ws.model(f"{NAME}@production", at=when)
        first = [row for row in ws.history(f"{NAME}@production") if row.action == "alias.move"][-1]
        before = ws.model(f"{NAME}@production", at=first.time)
        tell.say(
            f"In production at {tables.moment(first.time)}: {before.reference}; at {tables.moment(when)}: {then.reference}."
        )
        tell.say("Where the live version comes from:")
        tell.show(tables.lineage(ws.model(f"{NAME}@production")))
        self._go_back(ws.model(f"{NAME}/1"))
        tell.say("Versions:")
        tell.show(tables.versions(Model.list(ws, name=NAME), tell.width))
        tell.say("The ledger of what was live:")
        rows = [row for row in ws.history() if row.action in TOLD]
        tell.show(tables.ledger(list(reversed(rows)), tell.width))
        log = TrafficLog(traffic_folder(ws.root, NAME))
        picture = self.folder / "flights-delay.png"
        plot.draw(picture, plot.weekly_auc(log), self.found.windows, self.marks, DRAWN)
        tell.say(f"The year in one picture: {picture}")
        total = self.asked
        tell.say(
            f"{total} requests over HTTP, {len(self.failures)} failed. {time.monotonic() - self.started:.0f} seconds."
        )
        tell.say(f"Try next, in {self.folder}:")
        program = "modelyard"
        tell.show(
            f"{program} show {NAME}@production\n"
            f"{program} history {NAME}@production\n"
            f"{program} monitor {NAME}\n"
            f"{program} serve {NAME} --port 8080\n"
            f'{program} rollback {NAME}@production --reason "to see version 1 again"'
        )

    # --- what the chapters are made of ---

    @property
    def now(self) -> datetime:
        """The flight time that the replay has reached."""
        return self.traffic.reached

    def _mark(self, when: datetime, words: str, version: int) -> None:
        self.marks.append(plot.Mark(when, words, version))

    def _data(self, months: range) -> None:
        flights.write_months(self.table, months, self.folder / "data")
        dataset = self.workspace.snapshot(self.folder / "data", name="flights")
        words = f"{MONTHS[months[0] - 1]} to {MONTHS[months[-1] - 1]}"
        self.tell.say(f"Data set {dataset.reference}: {words}, {len(dataset.files)} files, {dataset.digest[:19]}…")

    def _pipeline(self, number: int) -> None:
        """Runs build, test and deploy, as a CI server would."""
        project = pipelines.read_project(self.folder / "modelyard.toml")
        environ = {**os.environ, "MODELYARD_BUILD_NUMBER": str(number), "GIT_CONFIG_GLOBAL": os.devnull}
        self.ending.callback(self._stop)
        with self.tell.bar(f"build {number}", len(project.stages)) as bar:
            lines: list[str] = []
            pipelines.run(
                project,
                (),
                self.workspace,
                on_line=lambda stage, line: lines.append(f"{stage} | {line}"),
                on_stage=lambda result: bar.advance(bar.task_ids[0]) if result.state == "passed" else None,
                environ=environ,
            )
        self.tell.say(f"Build {number}: modelyard run, with the stages {', '.join(s.name for s in project.stages)}:")
        self.tell.show("\n".join(lines))

    def _stop(self) -> None:
        try:
            Deployment(self.workspace, NAME).stop(grace=5.0, reason="the tour has ended")
        except DeploymentNotFound:
            return

    def _replay(self, months: Iterable[int], words: str) -> None:
        listed = list(months)
        names = f"{MONTHS[listed[0] - 1]} to {MONTHS[listed[-1] - 1]}"
        with self.tell.bar(f"flights of {names}", CALM * len(listed)) as bar:
            for month in listed:
                batches = flights.batches(self.table, month, CALM, BATCH, seed=month)
                self.traffic.replay(batches, lambda n: bar.advance(bar.task_ids[0], n))
                self.done_with = month
        self._count()
        served = ", ".join(f"version {v}: {n:,}" for v, n in sorted(self.traffic.take_rows().items()))
        self.tell.say(f"Replayed {names}, {words}. Flights answered by {served}.")

    def _canary(self) -> RolloutRow:
        """Replays the next month, and two more if it must, until the rollout that is under way has ended."""
        seen: set[tuple[str, float]] = set()
        rollout = self.deployment.rollout
        assert rollout is not None  # noqa: S101 - the deploy stage has just started one

        def look() -> bool:
            nonlocal rollout
            rollout = self.deployment.rollout
            assert rollout is not None  # noqa: S101
            key = (str(rollout.state), rollout.weight)
            if key not in seen and rollout.state is not State.ABORTING:
                seen.add(key)
                share = f", {rollout.weight:.0%} of the traffic" if rollout.active and rollout.weight else ""
                why = f": {rollout.reason}" if rollout.reason else ""
                self.tell.say(f"{rollout.candidate_reference} is {rollout.state}{share}{why}")
            return not rollout.active

        for month in range(self.done_with + 1, self.done_with + 4):
            self.done_with = month
            with self.tell.bar(f"flights of {MONTHS[month - 1]}", CANARY) as bar:
                batches = flights.batches(self.table, month, CANARY, BATCH, seed=month)
                self.traffic.replay(batches, lambda n: bar.advance(bar.task_ids[0], n), look)
            deadline = time.monotonic() + 5.0
            while not look() and time.monotonic() < deadline:
                time.sleep(0.2)
            if not rollout.active:
                break
        served = ", ".join(f"version {v}: {n:,}" for v, n in sorted(self.traffic.take_rows().items()))
        if rollout.active:
            self.deployment.abort("the flights of the tour ran out before the analysis was sure")
            look()
        self.tell.say(f"Flights answered meanwhile by {served}.")
        last = self.now
        rest = flights.batches(self.table, self.done_with, CALM, BATCH, seed=last.month, after=last.date().isoformat())
        self.traffic.replay(rest, lambda _: None)
        self.traffic.take_rows()
        self._count()
        self.decided = last
        return rollout

    def _count(self) -> None:
        self.asked += self.traffic.tally.requests
        self.failures += self.traffic.tally.failures
        self.traffic.tally.requests, self.traffic.tally.failures = 0, []

    def _go_back(self, model: Model) -> None:
        place = self.folder / "version-1"
        commit = model.provenance["git"]["commit"]
        repository.git(self.folder, "worktree", "add", "--quiet", "--detach", str(place), commit)
        ((_, reference),) = model.inputs
        dataset = self.workspace.dataset(reference)
        dataset.download(place / "data")
        same = self.workspace.store.verify_tree(dataset.manifest, place / "data")
        self.tell.say(
            f"Back to what made {model.reference}: {place} has the code of commit {commit[:7]} and the data of {reference}"
            + (", every byte verified." if same else ", but the data differ.")
        )

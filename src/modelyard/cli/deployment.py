"""``deploy``, ``rollout``, ``serve``, ``stop``, ``status``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, age_text, say, show_json, show_table, time_text
from modelyard.cli.session import Interrupted, workspace
from modelyard.cli.versions import At

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace
    from modelyard.deployments.rollout_records import RolloutRow

Name = Annotated[str, typer.Argument(metavar="NAME", help="The deployment; the model's name unless it was named.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Where to answer; 0 takes any free port.")]
Named = Annotated[str | None, typer.Option("--name", help="The deployment; the model's name by default.")]


def add_to(app: typer.Typer) -> None:
    app.command("deploy")(deploy)
    app.command("rollout")(rollout)
    app.command("serve")(serve)
    app.command("stop")(stop)
    app.command("status")(status)


def deploy(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The version: name/3, name:1.0, name")],
    name: Named = None,
    port: Port = None,
    wait: Annotated[bool, typer.Option(help="Follow the rollout to its end, or return at once.")] = True,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Put a version behind an endpoint of this machine.

    The first time it goes live at once, through its gates. After that it takes a growing share of the traffic, and goes live
    only when it is not worse than the stable version; otherwise it is taken out by itself. Shares, limits and monitoring are those of
    [deployment] in modelyard.toml. Exit code 1 when the rollout was aborted.

    Example: modelyard deploy fraud/3 --reason "retrained on March"
    """
    from modelyard.deployments import deploy as deploy_version

    found = workspace()
    made = deploy_version(found, reference, name, port=port, reason=reason)
    running = made.rollout
    if wait and running is not None and running.active:
        try:
            for row in made.watch():
                if not as_json:
                    say(rollout_text(row))
            made.wait()
        except KeyboardInterrupt:  # the replica is a process of its own
            raise Interrupted(goes_on=f"the rollout goes on; see: modelyard rollout {made.name}") from None
    if as_json:
        show_json(made.status().to_json())
    else:
        say(str(made))


def rollout(
    name: Name,
    action: Annotated[
        str, typer.Argument(metavar="[show|pause|resume|promote|abort]", help="What should happen to it.")
    ] = "show",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Show the newest rollout of a deployment, or pause, resume, promote or abort it.

    Example: modelyard rollout fraud abort --reason "support says so"
    """
    from modelyard.core.errors import RolloutNotFound
    from modelyard.deployments import Deployment

    deployment = Deployment(workspace(), name)
    actions = {
        "pause": deployment.pause,
        "resume": deployment.resume,
        "promote": deployment.promote,
        "abort": deployment.abort,
    }
    if action == "show":
        row = deployment.rollout
        if row is None:
            raise RolloutNotFound(name=name)
    elif action in actions:
        row = actions[action](reason)
    else:
        raise typer.BadParameter(f"{action!r} is not one of show, {', '.join(actions)}")
    if as_json:
        show_json(row.to_json())
        return
    say(rollout_text(row))
    for entry in row.evidence:
        analysis = entry.get("analysis") or {}
        for reason_text in analysis.get("reasons", []):
            say(f"  at {entry.get('weight', 0):.0%}: {reason_text}")


def serve(
    reference: Annotated[
        str, typer.Argument(metavar="NAME|REFERENCE", help="A deployment, or an alias to follow: fraud@production")
    ],
    port: Port = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="End when the process that started it does.")
    ] = False,
) -> None:
    """Serve a deployment here, in the foreground, until ^C. It follows its alias: a promotion or rollback is loaded without a failed request.

    Protocols: open inference v2 (POST /v2/models/NAME/infer) and MLflow (POST /invocations); /metrics, /health, /ready.

    Example: modelyard serve fraud@production --port 8080
    """
    import logging

    from modelyard.deployments import serve_here

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    serve_here(workspace(), reference, port=port, watch_stdin=until_stdin_closes)


def stop(name: Name, reason: Reason = "") -> None:
    """Stop the replica of a deployment, after the requests in flight. Its alias and its history stay.

    Example: modelyard stop fraud
    """
    from modelyard.deployments import Deployment

    Deployment(workspace(), name).stop(reason=reason)
    say(f"{name} is stopped; start it again with: modelyard serve {name}")


def status(
    name: Annotated[str | None, typer.Argument(help="A deployment; all without it.")] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Show what should be live beside what each replica really serves. Exit code 1 when they differ. With --at, what should have been live then.

    Example: modelyard status
    """
    from modelyard.deployments import Deployment, all_deployments

    found = workspace()
    if at is not None:
        _show_past(found, name, at, as_json)
        return
    deployments = [Deployment(found, name)] if name else all_deployments(found)
    states = [deployment.status() for deployment in deployments]
    if as_json:
        show_json([state.to_json() for state in states])
    else:
        rows = []
        for state in states:
            served = ", ".join(
                f"{replica.row.stable or 'nothing'}"
                + (f" and {replica.row.candidate}" if replica.row.candidate else "")
                for replica in state.replicas
                if replica.alive
            )
            going = state.rollout
            rows.append(
                (
                    state.name,
                    f"{state.model}@{state.alias}",
                    state.stable,
                    served or "nothing",
                    state.url or state.state,
                    f"{going.candidate}: {going.state} ({age_text(going.updated_time)})" if going else "",
                )
            )
        show_table(
            ("name", "follows", "wanted", "served", "where", "last rollout"),
            rows,
            empty=f"no deployments in {found.place}; make one with: modelyard deploy MODEL/VERSION",
        )
        for state in states:
            for problem in state.problems if state.state == "running" else ():
                say(f"{state.name}: {problem}")
    if any(state.problems for state in states if state.state == "running"):
        raise typer.Exit(1)


def _show_past(found: Workspace, name: str | None, at: str, as_json: bool) -> None:
    from modelyard.core.errors import DeploymentNotFound

    then = {each: facts for each, facts in found.deployments_at(at).items() if name in (None, each)}
    if name is not None and not then:
        raise DeploymentNotFound(name=name, found=f"none of that name at {at}")
    aliases = {each: found.blame(facts["model"], at=at) for each, facts in then.items()}
    rows = []
    for each, facts in then.items():
        wanted = next((blame for blame in aliases[each] if blame.field == f"@{facts['alias']}"), None)
        rows.append({**facts, "version": wanted.value if wanted else None, "since": time_text(facts["since"])})
    if as_json:
        show_json(rows)
        return
    show_table(
        ("name", "follows", "wanted", "state", "so since"),
        [(r["name"], f"{r['model']}@{r['alias']}", r["version"], r["state"], r["since"]) for r in rows],
        empty=f"there were no deployments at {at}",
    )


def rollout_text(row: RolloutRow) -> str:
    """One line on where a rollout stands."""
    share = f" with {row.weight:.0%} of the traffic" if row.active and row.weight else ""
    return f"{row.candidate_reference}: {row.state}{share}" + (f" ({row.reason})" if row.reason else "")

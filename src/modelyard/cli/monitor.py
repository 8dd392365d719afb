"""``monitor``."""

from __future__ import annotations

from typing import Annotated

import typer

from modelyard.cli.output import AsJson, say, show_json, show_table, time_text
from modelyard.cli.session import workspace


def add_to(app: typer.Typer) -> None:
    app.command("monitor")(monitor)


def monitor(
    name: Annotated[str, typer.Argument(help="The deployment.")],
    finish: Annotated[
        bool, typer.Option("--finish", help="Also measure the windows that are still open, as if they had ended.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=2**31, help="At most so many windows, the newest.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Show live quality and drift, window by window, and the alerts. Reads what is new in the traffic first.

    Example: modelyard monitor fraud
    """
    from modelyard.deployments import Deployment, monitored

    measured = monitored(Deployment(workspace(), name), finish=finish)
    windows = measured.windows[-limit:]
    if as_json:
        show_json(measured.to_json(limit))
        return
    show_table(
        ("from", "version", "rows", "labelled", "errors", "p95 ms", "quality", "drifted"),
        [
            (
                time_text(window.start),
                window.version,
                window.rows,
                window.labelled,
                window.errors,
                f"{window.latency_ms['p95']:.0f}" if window.latency_ms.get("p95") is not None else "",
                " ".join(f"{key}={value.value:.3f}" for key, value in window.quality.items()),
                " ".join(f"{score.feature}={score.value:.2f}" for score in window.drift if score.drifted),
            )
            for window in windows
        ],
        empty=f"no windows of {name} are measured yet; send it traffic, or see --finish",
    )
    firing = [alert for alert in measured.alerts if alert.state == "firing"]
    for alert in firing:
        since = time_text(alert.since) if alert.since else "?"
        say(f"firing: {alert.rule} of {alert.subject} on version {alert.version} since {since}")
    if not firing and windows:
        say("no alert is firing")

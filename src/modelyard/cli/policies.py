"""``policy``: what must hold before an alias moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.cli.aliases import Reason
from modelyard.cli.output import AsJson, say, show_facts, show_json, show_table, time_text
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.registry.policies.policy import Policy
    from modelyard.registry.policies.replay import Replayed
    from modelyard.registry.policies.verdict import Clause

policy = typer.Typer(
    name="policy",
    help="Protected aliases: who may move one, what must hold, who must agree, who may break the glass.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Words = Annotated[list[str], typer.Argument(metavar="[MODEL] ALIAS", help="fraud production, or fraud@production.")]
AllModels = Annotated[bool, typer.Option("--all-models", help="Of this alias of every model; then give no MODEL.")]
Actors = typer.Option(metavar="ACTOR", help="A name, or a pattern such as ci-*; may be repeated.")
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="A whole policy, TOML or JSON, or a modelyard.toml.")
]


def add_to(app: typer.Typer) -> None:
    app.add_typer(policy)


@policy.command("set")
def set_policy(
    words: Words,
    all_models: AllModels = False,
    gate: Annotated[list[str] | None, typer.Option(help="An expression that must hold; may be repeated.")] = None,
    mover: Annotated[list[str] | None, Actors] = None,
    approvals: Annotated[int | None, typer.Option(min=0, max=100, help="So many persons must approve.")] = None,
    approver: Annotated[list[str] | None, Actors] = None,
    separate_author: Annotated[
        bool | None, typer.Option("--separate-author/--no-separate-author", help="Who registered it does not count.")
    ] = None,
    separate_mover: Annotated[
        bool | None, typer.Option("--separate-mover/--no-separate-mover", help="Who moves it does not count.")
    ] = None,
    approvals_expire: Annotated[str | None, typer.Option(metavar="TIME", help="30d: how long one counts.")] = None,
    require_reason: Annotated[
        bool | None, typer.Option("--require-reason/--no-require-reason", help="A move must say why.")
    ] = None,
    break_glass: Annotated[list[str] | None, Actors] = None,
    allow_remove: Annotated[
        bool | None, typer.Option("--allow-remove/--no-allow-remove", help="Whether the alias may be removed.")
    ] = None,
    clear: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Back to its default: gates, movers …; may be repeated.")
    ] = None,
    file: File = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Set the policy of an alias: the keys that are given change, the others stay. With --file, the whole of it.

    Example: modelyard policy set fraud production --gate "metrics.auc >= 0.9" --approvals 2 --approver "lead-*" --separate-author --break-glass ana
    """
    model, alias = _place(words, all_models)
    given: dict[str, Any] = {
        "gates": gate,
        "movers": mover,
        "approvals": approvals,
        "approvers": approver,
        "separate_author": separate_author,
        "separate_mover": separate_mover,
        "approvals_expire": approvals_expire,
        "require_reason": require_reason,
        "break_glass": break_glass,
        "allow_remove": allow_remove,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    found = workspace()
    for key in clear or ():
        changes[key] = _default(key)
    whole = None if file is None else _from_file(file, alias)
    made = found.policies.set(model, alias, whole, reason=reason, **changes)
    subject = f"{model or '*'}@{alias}"
    if as_json:
        show_json({"subject": subject, "policy": made.to_json(), "digest": made.digest})
        return
    _show(subject, made)
    if model is not None and model not in found.models():
        typer.echo(f"note: there is no model {model!r} yet; the policy waits for its first version", err=True)


@policy.command("show")
def show(
    model: Annotated[str | None, typer.Argument(help="What this model must meet; every policy without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the policies; those of all models are written *@alias.

    Example: modelyard policy show fraud
    """
    rows = workspace().policies.list(model)
    if as_json:
        show_json([row.to_json() for row in rows])
        return
    for row in rows:
        _show(row.subject, row.policy, f"set {time_text(row.set_time)} by {row.set_by}")
    if not rows:
        say("there are no policies; set one with: modelyard policy set MODEL ALIAS")


@policy.command("remove")
def remove(words: Words, all_models: AllModels = False, reason: Reason = "", as_json: AsJson = False) -> None:
    """Take the policy of an alias away. The ledger keeps what it was.

    Example: modelyard policy remove fraud production --reason "moved to all models"
    """
    model, alias = _place(words, all_models)
    workspace().policies.remove(model, alias, reason=reason)
    subject = f"{model or '*'}@{alias}"
    if as_json:
        show_json({"subject": subject, "removed": True})
    else:
        say(f"{subject} has no policy any more")


@policy.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML or JSON, one policy, or a modelyard.toml.")],
    as_json: AsJson = False,
) -> None:
    """Read a policy file and say what is wrong with it. No yard is needed, and nothing is set.

    Example: modelyard policy check modelyard.toml
    """
    from modelyard.registry.policies.files import read_policies

    found = read_policies(file)
    listed = {"": found.alone} if found.alone is not None else found.by_alias
    if as_json:
        show_json({alias or "policy": made.to_json() for alias, made in listed.items()})
        return
    for alias, made in listed.items():
        _show(f"{found.model or '*'}@{alias}" if alias else str(file), made)
    if not listed:
        say(f"{file} says nothing of policies")


@policy.command("explain")
def explain(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The version: name/3, name:1.0, name")],
    alias: Annotated[str, typer.Argument(help="The alias that it is to become.")] = "production",
    file: File = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Say whether you could move an alias to a version now: every clause with its values. Exit code 1 when not. Nothing moves.

    Example: modelyard policy explain fraud/3 production
    """
    whole = None if file is None else _from_file(file, alias)
    verdict = workspace().policies.explain(reference, alias, policy=whole, reason=reason)
    if as_json:
        show_json(verdict.to_json())
    else:
        show_table(
            ("", "policy", "clause", "found"),
            [(_mark(clause), clause.policy, clause.rule, clause.explanation) for clause in verdict.clauses],
            empty=f"no policy holds for {alias}; it may move",
        )
    if not verdict.passed:
        raise typer.Exit(1)


@policy.command("test")
def try_out(
    subject: Annotated[
        str | None, typer.Argument(metavar="[NAME@ALIAS]", help="One alias, or all of a model; everything without it.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="What is to be tried; without it, the policies as they are."),
    ] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="90d, or an instant.")] = "90d",
    everything: Annotated[bool, typer.Option("--all", help="Show the moves that would have passed too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replay the moves of the past: which would a policy have blocked, and why? Nothing changes.

    A fact that nobody can know any more is unknown, and unknown never passes.

    Example: modelyard policy test --policy stricter.toml --since 90d fraud@production
    """
    from modelyard.registry.policies.files import read_policies

    tried = None
    if file is not None:
        found = read_policies(file)
        tried = found.alone if found.alone is not None else found.by_alias
        subject = subject or found.model
    replayed = workspace().policies.test(subject, policy=tried, since=since)
    if as_json:
        show_json([_replayed_json(each) for each in replayed])
        return
    shown = [each for each in replayed if everything or each.blocked]
    if shown:
        show_table(
            ("#", "time", "who", "move", "", "why"),
            [
                (
                    each.row.sequence,
                    time_text(each.row.happened),
                    each.row.actor,
                    _move_text(each),
                    "blocked" if each.blocked else "passes",
                    each.verdict.failures,
                )
                for each in shown
            ],
            empty="",
        )
    blocked = sum(each.blocked for each in replayed)
    count = "1 move" if len(replayed) == 1 else f"{len(replayed)} moves"
    say(f"{count} of aliases with a policy (--since {since}): {blocked} would have been blocked")


def _place(words: list[str], all_models: bool) -> tuple[str | None, str]:
    """The model (None for all of them) and the alias that are meant."""
    if all_models and len(words) == 1 and "@" not in words[0]:
        return None, words[0]
    if not all_models and len(words) == 1 and "@" in words[0]:
        model, _, alias = words[0].partition("@")
        return model, alias
    if not all_models and len(words) == 2:
        return words[0], words[1]
    wanted = "ALIAS alone with --all-models" if all_models else "MODEL and ALIAS, or --all-models and ALIAS"
    raise typer.BadParameter(f"give {wanted}, not {' '.join(words)!r}")


def _from_file(file: Path, alias: str) -> Policy:
    from modelyard.registry.policies.files import read_policies

    return read_policies(file).of(alias)


def _default(key: str) -> Any:
    from modelyard.registry.policies.policy import KEYS

    if key not in KEYS:
        raise typer.BadParameter(f"{key!r} is not a key of a policy; there are {', '.join(KEYS)}")
    return KEYS[key]


def _show(subject: str, made: Policy, told: str = "") -> None:
    say(f"{subject}  {told}".rstrip())
    facts = made.to_json()
    if not facts:
        say("  nothing must hold")
        return
    lines = [
        (f"  {key}", "\n".join(value) if isinstance(value, list) else _value(value)) for key, value in facts.items()
    ]
    show_facts(lines)


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mark(clause: Clause) -> str:
    return "holds" if clause.passed else "FAILS"


def _move_text(each: Replayed) -> str:
    before = each.row.before["version"] if each.row.before else "nothing"
    how = {"alias.rollback": " (rollback)", "alias.break_glass": " (glass broken)"}.get(each.row.action, "")
    return f"{each.row.subject} {before} -> {each.row.after['version']}{how}"


def _replayed_json(each: Replayed) -> dict[str, Any]:
    told = {"row": each.row.to_json(), "blocked": each.blocked, "unknown": list(each.unknown)}
    return {**told, "verdict": each.verdict.to_json()}

"""The commands under headings, in the help that lists them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType


class Sections(TyperGroup):
    """A group of commands that lists them by their sections; those without one come last."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes each section with its commands; all in columns of one width."""
        shown: dict[str, list[tuple[str, Any]]] = {}
        for name, command in self.commands.items():
            if not command.hidden:
                shown.setdefault(getattr(command, "rich_help_panel", None) or "Commands", []).append((name, command))
        widest = max(len(name) for listed in shown.values() for name, _ in listed)
        limit = formatter.width - 6 - widest
        for title, listed in sorted(shown.items(), key=lambda each: each[0] == "Commands"):
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), each.get_short_help_str(limit)) for name, each in listed])


def add_sections(app: typer.Typer, sections: Mapping[str, Sequence[ModuleType]]) -> None:
    """Adds the commands of each module (its ``add_to``), under the title of its section."""
    for title, modules in sections.items():
        before = len(app.registered_commands), len(app.registered_groups)
        for module in modules:
            module.add_to(app)
        for command in app.registered_commands[before[0] :]:
            command.rich_help_panel = title
        for group in app.registered_groups[before[1] :]:
            group.rich_help_panel = title

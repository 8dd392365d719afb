"""How the tour speaks: chapters, sentences, progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Narrator:
    """Writes to one console; quiet bars where nobody watches."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def chapter(self, number: int, title: str) -> None:
        self.console.print(f"\n[bold]{number}. {title}[/bold]")

    def say(self, sentence: str) -> None:
        self.console.print(f"   {sentence}", highlight=False, markup=False, soft_wrap=True)

    def show(self, text: str) -> None:
        """Lines as they are, indented: a command's output, a table."""
        for line in text.rstrip().splitlines():
            self.console.print(f"     {line}", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, words: str, total: int) -> Iterator[Progress]:
        """A bar with one task; ``progress.advance(progress.task_ids[0], n)`` moves it."""
        columns = (TextColumn("   {task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True) as progress:
            progress.add_task(words, total=total)
            yield progress

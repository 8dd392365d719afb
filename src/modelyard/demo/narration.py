"""How the tour speaks: chapters, sentences, progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text


class Narrator:
    """Writes to one console; quiet bars where nobody watches."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @property
    def width(self) -> int:
        """How wide a table may be."""
        return max(60, self.console.width - 6)

    def chapter(self, number: int, title: str) -> None:
        self.console.print(f"\n[bold]{number}. {title}[/bold]")

    def say(self, sentence: str) -> None:
        self.console.print(Padding(Text(sentence), (0, 0, 0, 3), expand=False))

    def show(self, text: str) -> None:
        """Lines as they are, indented: a command's output, a table."""
        self.console.print(Padding(Text(text.rstrip()), (0, 0, 0, 5), expand=False))

    @contextmanager
    def bar(self, words: str, total: int) -> Iterator[Progress]:
        """A bar with one task; ``progress.advance(progress.task_ids[0], n)`` moves it."""
        columns = (TextColumn("   {task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True) as progress:
            progress.add_task(words, total=total)
            yield progress

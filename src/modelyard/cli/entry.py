"""From an argument list to an exit code, and from an exception to one line."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.main import get_command

from modelyard.cli import app
from modelyard.cli.carets import pointed
from modelyard.cli.session import INTERRUPTED
from modelyard.core.errors import ModelyardError
from modelyard.core.tags import is_text

# typer carries its own copy of click in newer releases: these are the bases of its errors in either case.
_CallError, _AnyClickError = typer.BadParameter.__mro__[1:3]


def run(arguments: list[str]) -> int:
    """See :func:`modelyard.cli.main`."""
    if any(not is_text(argument) for argument in arguments):
        return _fail("an argument is not valid UTF-8 text", 2)
    command = get_command(app.build())
    try:
        result = command.main(args=arguments or ["--help"], prog_name="modelyard", standalone_mode=False)
        if result == INTERRUPTED:  # newer releases of typer turn ^C into this code in silence
            raise KeyboardInterrupt
    except ModelyardError as error:
        return _fail(str(error), error.exit_code, *pointed(error))
    except typer.Exit as error:
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except SystemExit as left:  # a command that ends by itself, and has nothing to say about it
        return left.code if isinstance(left.code, int) else 1
    except BrokenPipeError:  # the reader of a pipe went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 1)
    except Exception as error:
        if not isinstance(error, _AnyClickError):
            raise
        return _fail(_call_error_text(error), 2)
    return result if isinstance(result, int) else 0


def _fail(sentence: str, code: int, *below: str) -> int:
    line = " ".join(sentence.split("\n"))
    print(f"modelyard: {line}", *below, sep="\n", file=sys.stderr)  # noqa: T201 - this is the one place that prints errors
    return code


def _call_error_text(error: Any) -> str:
    sentence = str(error.format_message()).rstrip(".")
    if not isinstance(error, _CallError):
        return sentence
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "modelyard"
    return f"{sentence}; see: {where} --help"

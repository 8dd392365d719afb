"""The record of what made a version: collected once, written as one document with two attachments."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from modelyard.core.clock import to_text
from modelyard.core.digests import Digest
from modelyard.core.errors import GitUnreadable
from modelyard.provenance.build import Build, find_build
from modelyard.provenance.environment import Environment, environment
from modelyard.provenance.git import GitState, git_state
from modelyard.provenance.secrecy import masked

FORMAT = 1
DIFF = "diff.patch"
UNTRACKED = "untracked.tar"


@dataclass(frozen=True, slots=True)
class Command:
    """The command that ran; ``cwd`` and ``entry`` (its script) are relative to the repository, or to the folder outside git."""

    argv: tuple[str, ...]  # values that look like secrets are masked
    cwd: str
    entry: str | None  # None when no script ran: a notebook, ``-c``, a module

    def to_json(self) -> dict[str, Any]:
        return {"argv": list(self.argv), "cwd": self.cwd, "entry": self.entry}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a version came from; ``from_json(p.to_json(), p.attachments)`` equals ``p`` but for git's ``root``."""

    git: GitState | None
    environment: Environment
    build: Build | None
    command: Command
    user: str
    host: str
    time: datetime
    run: str | None = None  # the pipeline run and its stage that this process is part of
    stage: str | None = None
    problems: tuple[str, ...] = ()  # what could not be found out, as sentences

    @property
    def attachments(self) -> dict[str, bytes]:
        """The bytes that belong to the document, by name; only those that are not empty."""
        if self.git is None:
            return {}
        return {name: data for name, data in ((DIFF, self.git.diff), (UNTRACKED, self.git.archive)) if data}

    def to_json(self) -> dict[str, Any]:
        """A document for :func:`modelyard.core.digests.canonical_json`; names each attachment with its digest and size.

        What else is known at registration, such as the data sets that were read, is added beside these fields by the caller.
        """
        return {
            "format": FORMAT,
            "git": self.git.to_json() if self.git else None,
            "environment": self.environment.to_json(),
            "build": self.build.to_json() if self.build else None,
            "command": self.command.to_json(),
            "user": self.user,
            "host": self.host,
            "time": to_text(self.time),
            "run": self.run,
            "stage": self.stage,
            "problems": list(self.problems),
            "attachments": {
                name: {"digest": str(Digest.of(data)), "size": len(data)} for name, data in self.attachments.items()
            },
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], attachments: Mapping[str, bytes] | None = None) -> Provenance:
        """The inverse of :meth:`to_json`. Fields that this release does not know are passed over."""
        bytes_of = attachments or {}
        git, build, command = document["git"], document["build"], document["command"]
        return cls(
            git=GitState.from_json(git, diff=bytes_of.get(DIFF, b""), archive=bytes_of.get(UNTRACKED, b""))
            if git
            else None,
            environment=Environment.from_json(document["environment"]),
            build=Build.from_json(build) if build else None,
            command=Command(tuple(command["argv"]), command["cwd"], command["entry"]),
            user=document["user"],
            host=document["host"],
            time=datetime.fromisoformat(document["time"]),
            run=document["run"],
            stage=document["stage"],
            problems=tuple(document["problems"]),
        )


def collect(folder: Path, environ: Mapping[str, str], argv: Sequence[str], now: datetime) -> Provenance:
    """What this process is: the state of the code in ``folder``, the environment, the build, the command. Raises nothing
    for what cannot be found out; it says so in ``problems``."""
    folder = folder.resolve()
    folder = folder if folder.is_dir() else folder.parent
    problems = []
    git = None
    try:
        git = git_state(folder)
    except GitUnreadable as error:
        problems.append(str(error))
    build = find_build(environ)
    return Provenance(
        git=_on_branch(git, build),
        environment=environment(),
        build=build,
        command=_command(folder, git.root if git else folder, argv),
        user=_user(environ),
        host=os.uname().nodename,
        time=now,
        run=environ.get("MODELYARD_RUN") or None,
        stage=environ.get("MODELYARD_STAGE") or None,
        problems=tuple(problems),
    )


def _on_branch(git: GitState | None, build: Build | None) -> GitState | None:
    """CI checks a commit out without its branch; the build knows it. Another commit than the build's is left alone."""
    if git is None or git.branch or build is None or not build.branch or build.commit not in (None, git.commit):
        return git
    return replace(git, branch=build.branch)


def _command(folder: Path, root: Path, argv: Sequence[str]) -> Command:
    cwd = folder.relative_to(root) if folder.is_relative_to(root) else Path()
    script = argv[0] if argv else ""
    entry = None
    if script not in ("", "-c", "-m", "-"):
        path = (Path.cwd() / script).resolve()
        entry = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return Command(masked(map(_printable, argv)), _printable(cwd.as_posix()), _printable(entry) if entry else None)


def _user(environ: Mapping[str, str]) -> str:
    named = next((environ[name] for name in ("LOGNAME", "USER", "USERNAME") if environ.get(name)), None)
    if named is None:
        try:
            named = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container that runs under a number
            named = str(os.getuid())
    return _printable(named)


def _printable(text: str) -> str:
    """Text that UTF-8 can hold; bytes that were none come as backslashes."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")

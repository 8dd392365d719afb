"""The state of a git working tree, asked of the ``git`` command; its files are never parsed and never written.

Two leaks are closed in every call: what the user's configuration adds to output (colours, pagers, external diffs, prefixes,
file-system monitors), and what git would write by itself (a refreshed index, fetched objects).
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.core.errors import GitUnreadable
from modelyard.provenance.secrecy import holds_secret, looks_secret, without_credentials
from modelyard.provenance.untracked import LeftOut, pack

LIMIT = 32 * 1024 * 1024
TIMEOUT = 60.0  # seconds that a question to git may take; the diff is bounded by its bytes
LEFT_OUT_SHOWN = 1000  # further ones are only counted
_YARD = b".modelyard"

# Everything else that starts with GIT_ could point at another repository, as it does inside a hook.
_KEPT_VARIABLES = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")

_COMMAND = (
    "git",
    "--no-pager",
    "--no-optional-locks",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.quotePath=true",
    # `git diff` writes the index back after a refresh even without optional locks (seen with 2.39).
    "-c", "diff.autoRefreshIndex=false",
    "-c", "diff.suppressBlankEmpty=false",
    "-c", "status.showUntrackedFiles=all",
)  # fmt: skip
_DIFF = (
    "diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative",
    "--submodule=short", "--ignore-submodules=dirty", "--src-prefix=a/", "--dst-prefix=b/", "--unified=3",
    "--inter-hunk-context=0", "--diff-algorithm=default", "-O/dev/null",
)  # fmt: skip
_STATUS = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=all",
    "--no-renames",
    "--ignore-submodules=none",
)


@dataclass(frozen=True, slots=True)
class GitState:
    """A working tree: ``commit`` with ``diff`` applied and ``archive`` unpacked at its root gives its files back.

    That holds but for what ``left_out`` names. ``commit`` is None before the first commit (``diff`` is then against the
    empty tree), ``branch`` is None when the head is detached. File names that are not UTF-8 are written with backslashes.
    """

    root: Path  # top folder of the working tree; of this machine, so not part of the document
    subfolder: str  # from the root to the folder that was asked about, "" when it is the root
    commit: str | None
    branch: str | None
    remote: str | None  # without credentials
    tag: str | None  # one that points exactly at the commit
    dirty: bool  # the files differ from the commit, new files included
    diff: bytes
    archive: bytes  # tar of the untracked files
    untracked: tuple[str, ...]  # the names in the archive
    left_out: tuple[LeftOut, ...]
    left_out_more: int  # how many further ones are not listed

    def to_json(self) -> dict[str, Any]:
        """Everything but the bytes and the place on this machine."""
        return {
            "subfolder": self.subfolder,
            "commit": self.commit,
            "branch": self.branch,
            "remote": self.remote,
            "tag": self.tag,
            "dirty": self.dirty,
            "untracked": list(self.untracked),
            "left_out": [{"name": item.name, "reason": item.reason} for item in self.left_out],
            "left_out_more": self.left_out_more,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, diff: bytes = b"", archive: bytes = b"") -> GitState:
        """The inverse of :meth:`to_json`; the bytes are given apart, the root is unknown (``.``)."""
        return cls(
            root=Path(),
            subfolder=document["subfolder"],
            commit=document["commit"],
            branch=document["branch"],
            remote=document["remote"],
            tag=document["tag"],
            dirty=document["dirty"],
            diff=diff,
            archive=archive,
            untracked=tuple(document["untracked"]),
            left_out=tuple(LeftOut(item["name"], item["reason"]) for item in document["left_out"]),
            left_out_more=document["left_out_more"],
        )


def git_state(folder: Path, *, limit: int = LIMIT) -> GitState | None:
    """The state of the working tree that holds ``folder``; None outside git, in a bare repository, or without git.

    ``limit`` bounds the bytes of the diff and, apart, of the archive. Files inside ``.modelyard`` folders do not count.
    Raises :class:`GitUnreadable` when there is a repository that git refuses to read.
    """
    top = _line(folder, "rev-parse", "--show-toplevel", absent=True)
    if not top:
        return None
    root = Path(os.fsdecode(top))
    subfolder = _line(folder, "rev-parse", "--show-prefix").rstrip(b"/")
    status = _read_status(_git(root, *_STATUS))
    secret = [name for name in status.changed if looks_secret(_text(name))]
    diff, problem = _diff(root, status.commit, secret, limit)
    diff, pasted = _screened(root, diff)
    packed = pack(root, status.untracked, limit)
    left_out = [
        *(LeftOut(_text(name), "a changed file that looks like a secret") for name in secret),
        *(
            LeftOut(_text(name), "a changed file that holds what looks like a key or an access token")
            for name in pasted
        ),
        *(LeftOut(_text(name), "a submodule with changes of its own") for name in status.submodules),
        *([LeftOut("the changes of tracked files", problem)] if problem else []),
        *packed.left_out,
    ]
    return GitState(
        root=root,
        subfolder=_text(subfolder),
        commit=status.commit,
        branch=status.branch,
        remote=_remote(root, status.branch),
        tag=_tag(root) if status.commit else None,
        dirty=bool(diff or packed.names or left_out),
        diff=diff,
        archive=packed.archive,
        untracked=packed.names,
        left_out=tuple(left_out[:LEFT_OUT_SHOWN]),
        left_out_more=max(0, len(left_out) - LEFT_OUT_SHOWN),
    )


def head_commit(folder: Path) -> str | None:
    """The commit of the working tree that holds ``folder``; None outside git and before the first commit. Raises nothing."""
    try:
        return _text(_line(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", absent=True)) or None
    except GitUnreadable:
        return None


@dataclass(frozen=True, slots=True)
class _Status:
    commit: str | None
    branch: str | None
    changed: tuple[bytes, ...]
    untracked: tuple[bytes, ...]
    submodules: tuple[bytes, ...]  # with changes that their commit does not show


def _read_status(output: bytes) -> _Status:
    """Porcelain format v2 with ``-z`` (git-status(1)): the path is the last of 9 fields, of 11 when unmerged."""
    commit = branch = None
    changed, untracked, submodules = [], [], []
    for entry in output.split(b"\0"):
        kind, _, rest = entry.partition(b" ")
        if kind == b"#":
            key, _, value = rest.partition(b" ")
            if key == b"branch.oid" and value != b"(initial)":
                commit = _text(value)
            elif key == b"branch.head" and value != b"(detached)":
                branch = _text(value)
        elif kind in (b"1", b"u"):
            fields = rest.split(b" ", 7 if kind == b"1" else 9)
            path = fields[-1]
            changed.append(path)
            if fields[1].startswith(b"S") and fields[1][2:] != b"..":
                submodules.append(path)
        elif kind == b"?" and _YARD not in rest.split(b"/"):
            untracked.append(rest)
    return _Status(commit, branch, tuple(changed), tuple(untracked), tuple(submodules))


def _diff(root: Path, commit: str | None, excluded: list[bytes], limit: int) -> tuple[bytes, str]:
    """The changes against the commit, or no bytes and the reason."""
    base = commit or _text(_line(root, "hash-object", "-t", "tree", "/dev/null"))
    paths: list[bytes] = [b".", *(b":(exclude,literal)" + name for name in excluded)] if excluded else []
    command: list[str | bytes] = [*_COMMAND, *_DIFF, base, "--", *paths]
    with subprocess.Popen(
        command, cwd=root, env=_environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        data = process.stdout.read(limit + 1) if process.stdout else b""
        if len(data) > limit:
            process.kill()
            return b"", f"more than {limit} bytes"
    return (data, "") if process.returncode == 0 else (b"", f"git diff failed with exit code {process.returncode}")


_FILE = b"diff --git "


def _screened(root: Path, diff: bytes) -> tuple[bytes, list[bytes]]:
    """The diff without the files whose patch holds a secret, and the names of those.

    Added lines count as well as removed ones and those around them: the patch shows them all. A binary patch is compressed, so there the file
    itself is read.
    """
    # No line of a patch's body begins like a header: it begins with a space, a sign, a backslash, or a letter followed by base 85.
    patches = [_FILE + patch for patch in (b"\n" + diff.removesuffix(b"\n")).split(b"\n" + _FILE)[1:]]
    secret = set()
    for patch in patches:
        name = _patched(patch)
        if holds_secret(patch) or (b"\nGIT binary patch\n" in patch and _file_holds_secret(root, name)):
            secret.add(name)
    if not secret:
        return diff, []
    kept = [patch + b"\n" for patch in patches if _patched(patch) not in secret]
    return b"".join(kept), sorted(secret)


def _patched(patch: bytes) -> bytes:
    """The file of a patch: without renames both sides of its header have the same name, quoted as in C where it needs to be."""
    header = patch.partition(b"\n")[0].removeprefix(_FILE)
    side = header[: (len(header) - 1) // 2]
    if side.startswith(b'"'):
        side = ast.literal_eval("b" + side.decode("ascii"))
    return side.removeprefix(b"a/")


def _file_holds_secret(root: Path, name: bytes) -> bool:
    path = os.path.join(os.fsencode(root), name)  # noqa: PTH118  a Path cannot hold bytes
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return holds_secret(file.read())
    except OSError:
        return False  # deleted, or a folder by now: its patch tells nothing of it that the commit does not


def _remote(root: Path, branch: str | None) -> str | None:
    """The address of the branch's upstream, else of ``origin``, else of the first remote; as configured, unexpanded."""
    done = _call(root, "config", "-z", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$")
    values: dict[str, str] = {}
    for entry in done.stdout.split(b"\0"):
        key, _, value = entry.partition(b"\n")
        values.setdefault(_text(key), _text(value))
    remotes = {key[len("remote.") : -len(".url")]: url for key, url in values.items() if key.startswith("remote.")}
    for name in (values.get(f"branch.{branch}.remote"), "origin", *sorted(remotes)):
        if name in remotes:
            return without_credentials(remotes[name])
    return None


def _tag(root: Path) -> str | None:
    done = _call(root, "describe", "--tags", "--exact-match", "HEAD")
    return _text(done.stdout).removesuffix("\n") if done.returncode == 0 else None


def _line(folder: Path, *arguments: str, absent: bool = False) -> bytes:
    return _git(folder, *arguments, absent=absent).removesuffix(b"\n")


def _git(folder: Path, *arguments: str, absent: bool = False) -> bytes:
    """The output; with ``absent``, no bytes where there is no working tree, or no git to ask."""
    try:
        done = _call(folder, *arguments)
    except OSError as error:
        if absent and isinstance(error, FileNotFoundError) and folder.is_dir():
            return b""
        raise GitUnreadable(path=folder, problem=f"git could not be started there: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    problem = done.stderr.decode("utf-8", "replace").strip()
    nothing_there = not problem or "not a git repository" in problem or "must be run in a work tree" in problem
    if absent and nothing_there:
        return b""
    raise GitUnreadable(path=folder, problem=problem.splitlines()[0].removeprefix("fatal: ") if problem else "unknown")


def _call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [*_COMMAND, *arguments],
            cwd=folder,
            env=_environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise GitUnreadable(path=folder, problem=f"git {arguments[0]} took more than {TIMEOUT:g} s") from None


def _environ() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_KEPT_VARIABLES)}
    fixed = {
        "LC_ALL": "C",
        "LANGUAGE": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
    }
    return kept | fixed


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")

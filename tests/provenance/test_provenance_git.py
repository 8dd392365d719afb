"""git_state: what it says of every kind of working tree, and that it touches none."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core.errors import GitUnreadable
from modelyard.provenance import GitState, git_state, head_commit


def known(state: GitState | None) -> GitState:
    assert state is not None
    return state


def unpack(archive: bytes, folder: Path) -> None:
    if archive:
        with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape") as tar:
            tar.extractall(folder, filter="tar")


def reproduce(repository: Any, state: GitState, folder: Path) -> Any:
    """Goes back to the state in a fresh clone, with nothing but what the state holds."""
    clone = type(repository)(folder)
    subprocess.run(["git", "clone", "-q", str(repository.folder), str(folder)], check=True, capture_output=True)
    if state.commit:
        clone.git("checkout", "-q", state.commit)
    if state.diff:
        clone.git("apply", "--whitespace=nowarn", "-", stdin=state.diff)
    unpack(state.archive, folder)
    return clone


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() + str(p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }


def test_a_clean_tree_has_its_commit_and_branch_and_nothing_else(repository: Any) -> None:
    state = known(git_state(repository.folder))
    assert state.commit == repository.git("rev-parse", "HEAD").decode() == head_commit(repository.folder)
    assert (state.branch, state.dirty, state.diff, state.archive, state.untracked) == ("main", False, b"", b"", ())
    assert (state.subfolder, state.remote, state.tag, state.left_out) == ("", None, None, ())
    assert state.root == repository.folder


def test_a_subfolder_speaks_for_the_whole_tree(repository: Any) -> None:
    repository.write("model.py", b"changed\n")
    repository.write("new.py")
    state = known(git_state(repository.folder / "data"))
    assert state.subfolder == "data"
    assert b"model.py" in state.diff
    assert state.untracked == ("new.py",)


def test_outside_git_and_without_git_there_is_no_state(
    tmp_path: Path, git_environ: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_state(tmp_path) is None
    subprocess.run(["git", "init", "-q", "--bare", "bare"], cwd=tmp_path, check=True)
    assert git_state(tmp_path / "bare") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None
    assert head_commit(tmp_path) is None


def test_a_folder_that_does_not_exist_is_an_error_not_an_absence(tmp_path: Path) -> None:
    with pytest.raises(GitUnreadable, match="could not be started"):
        git_state(tmp_path / "nowhere")


def test_a_repository_that_git_refuses_is_an_error_not_an_absence(repository: Any) -> None:
    (repository.folder / ".git" / "config").write_text("[core\n")
    with pytest.raises(GitUnreadable, match="bad config"):
        git_state(repository.folder)


def test_before_the_first_commit_the_diff_is_against_the_empty_tree(make_repository: Any, tmp_path: Path) -> None:
    repository = make_repository()
    empty = known(git_state(repository.folder))
    assert (empty.commit, empty.branch, empty.tag, empty.dirty) == (None, "main", None, False)
    repository.write("staged.py", b"staged\n")
    repository.git("add", "staged.py")
    repository.write("loose.py", b"loose\n")
    state = known(git_state(repository.folder))
    assert state.commit is None
    assert state.untracked == ("loose.py",)
    assert reproduce(repository, state, tmp_path / "again").tree() == repository.tree()


def test_a_detached_head_has_no_branch_but_its_exact_tag(repository: Any) -> None:
    repository.git("tag", "v1")
    repository.git("checkout", "-q", "--detach")
    state = known(git_state(repository.folder))
    assert (state.branch, state.tag) == (None, "v1")
    repository.commit("beyond the tag")
    assert known(git_state(repository.folder)).tag is None


def test_worktrees_and_shallow_clones_are_read_like_any_tree(repository: Any, tmp_path: Path) -> None:
    repository.commit("second")
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    assert known(git_state(tmp_path / "side")).branch == "side"
    url = repository.folder.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth=1", url, "shallow"], cwd=tmp_path, check=True)
    (tmp_path / "shallow" / "model.py").write_text("changed\n")
    state = known(git_state(tmp_path / "shallow"))
    assert state.commit == repository.git("rev-parse", "HEAD").decode()
    assert b"+changed" in state.diff
    assert state.remote == url


@pytest.mark.parametrize(
    ("remotes", "upstream", "found"),
    [
        ({}, None, None),
        ({"origin": "https://me:s3cret@example.org/a.git"}, None, "https://example.org/a.git"),
        ({"backup": "https://b.example/b"}, None, "https://b.example/b"),
        ({"origin": "https://o.example/o", "fork": "git@f.example:f"}, "fork", "git@f.example:f"),
        ({"fork": "https://f.example/f", "origin": "https://o.example/o"}, None, "https://o.example/o"),
    ],
)
def test_the_remote_is_the_upstreams_else_origin_else_any_without_credentials(
    repository: Any, remotes: dict[str, str], upstream: str | None, found: str | None
) -> None:
    for name, url in remotes.items():
        repository.git("remote", "add", name, url)
    if upstream:
        repository.git("config", "branch.main.remote", upstream)
    assert known(git_state(repository.folder)).remote == found


def test_commit_diff_and_archive_give_the_tree_back(repository: Any, tmp_path: Path) -> None:
    repository.write("gone.py")
    repository.write("tool.sh", b"#!/bin/sh\n")
    repository.write("old.bin", bytes(range(256)) * 40)
    repository.write("swap", b"a file\n")
    (repository.folder / "link").symlink_to("model.py")
    repository.commit("more")
    repository.write("model.py", b"no newline at the end")
    repository.write("old.bin", bytes(reversed(range(256))) * 40)
    repository.write("data/rows.csv", b"a,b\r\n1,2\r\n")
    (repository.folder / "gone.py").unlink()
    (repository.folder / "tool.sh").chmod(0o755)
    (repository.folder / "link").unlink()
    (repository.folder / "link").symlink_to("data")
    (repository.folder / "swap").unlink()
    repository.write("swap/inside", b"now a folder\n")
    repository.write("staged.py")
    repository.git("add", "staged.py")
    repository.write("staged.py", b"and changed after\n")
    repository.write("renamed/model.py")
    repository.write("empty", b"")
    repository.write("run.sh", b"#!/bin/sh\n")
    (repository.folder / "run.sh").chmod(0o755)
    (repository.folder / "away").symlink_to("/nowhere/" + "x" * 150)
    state = known(git_state(repository.folder))
    assert state.dirty
    assert state.left_out == ()
    assert reproduce(repository, state, tmp_path / "again").tree() == repository.tree()


def test_a_conflicted_merge_is_kept_as_it_lies_there(repository: Any, tmp_path: Path) -> None:
    repository.git("checkout", "-q", "-b", "side")
    repository.write("model.py", b"theirs\n")
    repository.commit()
    repository.git("checkout", "-q", "main")
    repository.write("model.py", b"ours\n")
    repository.commit()
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "side")
    state = known(git_state(repository.folder))
    assert b"<<<<<<<" in state.diff
    assert reproduce(repository, state, tmp_path / "again").tree() == repository.tree()


HOSTILE = [
    b'quote".py',
    b"new\nline.py",
    b"tab\t.py",
    b" lead",
    b"back\\slash",
    b"\xff\xfe.py",
    "ünï.py".encode(),
    b"-rf",
]


@pytest.mark.parametrize("name", [*HOSTILE, b"long/" + b"n" * 200])
def test_hostile_file_names_are_kept_byte_for_byte(repository: Any, tmp_path: Path, name: bytes) -> None:
    repository.write(b"tracked/" + name, b"before\n")
    repository.commit()
    repository.write(b"tracked/" + name, b"after\n")
    repository.write(b"untracked/" + name, b"loose\n")
    state = known(git_state(repository.folder))
    state.untracked[0].encode()  # what is shown is plain text
    assert reproduce(repository, state, tmp_path / "again").tree() == repository.tree()


CONTENT = st.one_of(st.binary(max_size=60), st.sampled_from([b"", b"x", b"x\n", b"line\n" * 30, b"\0" * 50, b"\r\n"]))
NAMES = st.sampled_from(["a", "b.txt", "d/c", "d/e/f", "g h", 'q"', "é"])
EDIT = st.tuples(st.sampled_from(["write", "delete", "stage", "program"]), NAMES, CONTENT)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.dictionaries(NAMES, CONTENT), edits=st.lists(EDIT, max_size=8))
def test_whatever_was_edited_is_given_back(
    repository: Any, first: dict[str, bytes], edits: list[tuple[str, str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        work = type(repository)(Path(place) / "work")
        shutil.copytree(repository.folder, work.folder)
        for name, data in first.items():
            work.write(name, data)
        work.commit()
        for action, name, data in edits:
            path = work.folder / name
            if action == "write":
                work.write(name, data)
            elif path.exists() and action == "delete":
                path.unlink()
            elif path.exists() and action == "program":
                path.chmod(0o755)
            elif action == "stage":
                work.git("add", "-A")
        state = known(git_state(work.folder))
        again = reproduce(work, state, Path(place) / "again")
        assert again.tree() == work.tree()
        assert state.dirty == (work.tree() != {**reproduced_commit(work, Path(place) / "plain")})


def reproduced_commit(repository: Any, folder: Path) -> dict[bytes, tuple[str, bytes]]:
    subprocess.run(["git", "clone", "-q", str(repository.folder), str(folder)], check=True, capture_output=True)
    return type(repository)(folder).tree()


def test_ignored_files_and_the_yard_are_not_seen(repository: Any) -> None:
    repository.write(".gitignore", b"*.log\n")
    repository.commit()
    repository.write("noise.log")
    repository.write(".modelyard/registry.db")
    repository.write("sub/.modelyard/registry.db")
    state = known(git_state(repository.folder))
    assert (state.dirty, state.untracked, state.archive) == (False, (), b"")


SECRETS = [".env", "deploy/id_rsa", "server.pem", "conf/credentials.json", ".aws/config", ".netrc"]


@pytest.mark.parametrize("name", SECRETS)
def test_files_that_look_like_secrets_are_named_and_left_out(repository: Any, name: str) -> None:
    repository.write(name, b"hunter2")
    repository.write("code.py", b"x = 1\n")
    state = known(git_state(repository.folder))
    assert [item.name for item in state.left_out] == [name]
    assert state.untracked == ("code.py",)
    assert b"hunter2" not in state.archive + state.diff


KEY = b"AKIA" + b"Q7" * 8


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"region = 1\n", b"region = 1\nkey = '" + KEY + b"'\n"),
        (b"key = '" + KEY + b"'\n", b"key = environ['KEY']\n"),
        (b"\0\1\2", b"\0\1\2" * 50 + KEY),
    ],
    ids=["pasted", "taken out", "in a binary file"],
)
@pytest.mark.parametrize("name", ["settings.py", "with space.py", 'caf\u00e9 "x".py', "a b/b a.py"])
def test_a_changed_file_whose_patch_shows_a_key_is_left_out_of_the_diff(
    repository: Any, tmp_path: Path, name: str, before: bytes, after: bytes
) -> None:
    repository.write(name, before)
    repository.write("weights.bin", bytes(range(256)))
    repository.write("zoo.bin", bytes(range(256)))
    repository.commit()
    repository.write(name, after)
    repository.write("model.py", b"print('better')\ndiff --git a/x b/x\n")
    repository.write("weights.bin", bytes(range(255, -1, -1)))
    repository.write("zoo.bin", bytes(range(255, -1, -1)))
    state = known(git_state(repository.folder))
    assert KEY not in state.diff
    assert [(item.name, item.reason) for item in state.left_out] == [
        (name, "a changed file that holds what looks like a key or an access token")
    ]
    assert state.dirty
    expected = {**repository.tree(), os.fsencode(name): ("file", before)}
    assert reproduce(repository, state, tmp_path / "copy").tree() == expected, "all other changes are whole"


def test_a_tracked_secret_file_that_changed_is_left_out_of_the_diff(repository: Any) -> None:
    repository.write(".env", b"PASSWORD=change-me\n")
    repository.commit()
    repository.write(".env", b"PASSWORD=hunter2\n")
    repository.write("model.py", b"changed\n")
    state = known(git_state(repository.folder / "data"))
    assert b"hunter2" not in state.diff
    assert b"+changed" in state.diff
    assert [item.name for item in state.left_out] == [".env"]


def test_an_untracked_file_that_holds_a_private_key_is_left_out_whatever_its_name(repository: Any) -> None:
    repository.write("notes.txt", b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    state = known(git_state(repository.folder))
    assert [item.name for item in state.left_out] == ["notes.txt"]
    assert state.archive == b""


def test_the_archive_is_the_same_bytes_whenever_and_in_whatever_order_the_files_came(
    repository: Any, make_repository: Any
) -> None:
    other = make_repository("other")
    names = ["b.py", "a.py", "c/d.py"]
    for name in names:
        repository.write(name, name.encode())
    for name in reversed(names):
        other.write(name, name.encode())
        os.utime(other.folder / name, (1, 1))
        (other.folder / name).chmod(0o600)
    other.git("add", "-N", ".")
    other.git("reset", "-q")
    assert known(git_state(repository.folder)).archive == known(git_state(other.folder)).archive != b""


def test_the_names_in_the_archive_are_sorted_whatever_the_sizes(repository: Any) -> None:
    for name in ("b.py", "a.py", "c.py"):
        repository.write(name, b"x" * (300 - ord(name[0])))
    state = known(git_state(repository.folder))
    with tarfile.open(fileobj=io.BytesIO(state.archive)) as tar:
        assert tuple(tar.getnames()) == state.untracked == ("a.py", "b.py", "c.py")


def test_what_is_too_large_is_named_and_small_files_are_kept(repository: Any) -> None:
    limit = 100_000
    repository.write("big.csv", b"x" * 200_000)
    for n in range(200):
        repository.write(f"small/{n:03}.py", b"y" * 600)
    state = known(git_state(repository.folder, limit=limit))
    assert 0 < len(state.archive) <= limit
    assert "small/000.py" in state.untracked
    left = {item.name: item.reason for item in state.left_out}
    assert "200000 bytes" in left["big.csv"]
    assert len(left) + len(state.untracked) == 201


def test_a_diff_that_is_too_large_is_left_out_whole_with_the_reason(repository: Any) -> None:
    repository.write("model.py", os.urandom(50_000).hex().encode())
    state = known(git_state(repository.folder, limit=20_000))
    assert state.diff == b""
    assert state.dirty
    assert [item.reason for item in state.left_out] == ["more than 20000 bytes"]


def test_a_repository_inside_and_a_changed_submodule_are_named(repository: Any, make_repository: Any) -> None:
    part = make_repository("part")
    part.write("part.py")
    part.commit()
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(part.folder), "part")
    repository.commit()
    repository.write("part/part.py", b"changed inside\n")
    nested = repository.folder / "nested"
    nested.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=nested, check=True)
    (nested / "file").write_text("x")
    state = known(git_state(repository.folder))
    assert {item.name for item in state.left_out} == {"part", "nested/"}
    assert state.diff == b""


def test_a_file_that_cannot_be_read_is_named_not_fatal(repository: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("locked.py")
    repository.write("open.py")
    real = os.open

    def refusing(path: Any, *rest: Any, **options: Any) -> int:
        if isinstance(path, bytes) and path.endswith(b"locked.py"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    state = known(git_state(repository.folder))
    assert [(item.name, item.reason) for item in state.left_out] == [
        ("locked.py", "could not be read: Permission denied")
    ]
    assert state.untracked == ("open.py",)


def test_the_users_configuration_does_not_leak_into_the_diff(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("model.py", b"changed\n")
    repository.write("moved.py", b"print('model')\n")
    repository.git("add", "moved.py")
    plain = known(git_state(repository.folder))
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\necho trapped\n")
    trap.chmod(0o755)
    attributes = tmp_path / "attributes"
    attributes.write_text("*.py diff=odd\n")
    config = tmp_path / "config"
    config.write_text(
        f"[core]\npager = {trap}\nfsmonitor = {trap}\nattributesFile = {attributes}\n[color]\nui = always\ndiff = always\n"
        f"[diff]\nexternal = {trap}\nnoprefix = true\nrenames = copies\ncontext = 0\nalgorithm = histogram\nrelative = true\n"
        f'[diff "odd"]\ntextconv = {trap}\n[pager]\ndiff = {trap}\nstatus = {trap}\n'
        "[status]\nshowUntrackedFiles = no\nrelativePaths = true\nshort = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap))
    monkeypatch.setenv("GIT_PAGER", str(trap))
    monkeypatch.setenv("GIT_DIFF_OPTS", "-u0")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # as inside a hook of another repository
    assert known(git_state(repository.folder)) == plain
    assert not (tmp_path / "sprung").exists()


def test_nothing_in_the_repository_changes_not_even_the_index(repository: Any) -> None:
    os.utime(repository.folder / "model.py", (1, 1))  # git would refresh the index for this
    repository.write("data/rows.csv", b"changed\n")
    repository.write("new.py")
    before = fingerprint(repository.folder)
    state = known(git_state(repository.folder))
    assert b"model.py" not in state.diff
    assert fingerprint(repository.folder) == before


def test_a_held_index_lock_is_no_obstacle(repository: Any) -> None:
    repository.write("model.py", b"changed\n")
    (repository.folder / ".git" / "index.lock").touch()
    assert b"+changed" in known(git_state(repository.folder)).diff


def test_the_document_gives_the_state_back(repository: Any) -> None:
    repository.write("model.py", b"changed\n")
    repository.write("new.py")
    repository.write(".env")
    state = known(git_state(repository.folder))
    again = GitState.from_json(state.to_json(), diff=state.diff, archive=state.archive)
    assert again.to_json() == state.to_json()
    assert (again.diff, again.archive) == (state.diff, state.archive)

"""Every test has a home, a clean environment and a folder of its own."""

import os
import signal
from pathlib import Path

import pytest

from modelyard import Workspace

CI_WORDS = (
    "CI",
    "BUILD",
    "GITHUB",
    "GITLAB",
    "CIRCLE",
    "JENKINS",
    "BITBUCKET",
    "TRAVIS",
    "TEAMCITY",
    "BUILDKITE",
    "SYSTEM_",
    "TF_",
)


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started in the background of a shell: the processes of tests would ignore ^C too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for name in list(os.environ):
        if name.startswith(("MODELYARD_", *CI_WORDS)):
            monkeypatch.delenv(name)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A new yard in the test's folder."""
    return Workspace(tmp_path / "yard", actor="ana")

"""Where the benchmark keeps things: the corpus, the virtual environments of the peers, the folder of a run, what it remembers.

``MODELYARD_BENCH_HOME`` (``~/.cache/modelyard-bench``) holds all of it; ``MODELYARD_BENCH_CORPUS`` names a corpus made elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Missing(Exception):
    """Something cannot be had on this machine; what needs it is skipped, with this reason."""


def home() -> Path:
    """The folder of the benchmark, made when it is not there."""
    folder = Path(os.environ.get("MODELYARD_BENCH_HOME") or Path.home() / ".cache" / "modelyard-bench").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def corpora() -> list[Path]:
    """The folders to look for a set in; the last one is ours to write to."""
    own = home() / "corpus"
    named = os.environ.get("MODELYARD_BENCH_CORPUS")
    return [Path(named).resolve(), own] if named else [own]


def venv(name: str, *requirements: str, without_dependencies: str | None = None) -> Path:
    """The ``bin`` folder of a virtual environment with these packages, made on the first call. Raises Missing.

    ``without_dependencies`` is one more package, of which only the files are wanted.
    """
    folder = home() / "venv" / name
    stamp = folder / ".requirements"
    wanted = "\n".join((*requirements, without_dependencies or ""))
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {' '.join(requirements)} into {folder}", file=sys.stderr)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            subprocess.run([*pip, *requirements], check=True, capture_output=True, text=True)
            if without_dependencies:
                subprocess.run([*pip, "--no-deps", without_dependencies], check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as problem:
            last = (problem.stderr or "no output").strip().splitlines()[-1]
            raise Missing(f"cannot install {' '.join(requirements)}: {last}") from problem
        stamp.write_text(wanted)
    return folder / "bin"


def program(name: str, package: str) -> str:
    """The path of a program of the system. Raises Missing."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed (Debian: apt-get install {package})")
    return found


@contextmanager
def run_folder() -> Iterator[Path]:
    """An empty folder on the disk of the benchmark that is gone afterwards, whatever a peer did to the modes in it."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=home()))
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Removes a folder, also where a tool has made parts of it read-only."""
    if not folder.exists():
        return
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            inner = Path(parent, name)
            if not inner.is_symlink():
                inner.chmod(0o755)
    shutil.rmtree(folder)

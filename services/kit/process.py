"""Owns the life of a service's process: settings, logs, listening, serving, stopping, exit code."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, TypeVar

import uvloop

from services.kit import logs, metrics, traces
from services.kit.clock import Clock, SystemClock, new_id
from services.kit.config import Address, ServiceSettings, load
from services.kit.errors import Refusal
from services.kit.server import AddressTaken, Server, Service

log = logging.getLogger(__name__)

EXIT_STOPPED = 0
EXIT_FAILED = 1  # 2: the configuration, see config.py
EXIT_ADDRESS_TAKEN = 3

RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 10.0

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)
# Opens everything that the service stands on, yields the service, and closes it all again.
App = Callable[[SettingsType], AbstractAsyncContextManager[Service]]


def run(name: str, settings_type: type[SettingsType], app: App[SettingsType]) -> NoReturn:
    """Be the service `name` until SIGTERM or SIGINT, then exit."""
    settings = load(settings_type)
    logs.configure(name, settings.log_format, settings.log_level)
    if settings.traces_endpoint:
        traces.start(name, settings.traces_endpoint, settings.traces_sampled_share)
    try:
        if settings.metrics_listen is not None:
            _serve_metrics(settings.metrics_listen)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(settings, app))
    except AddressTaken as error:
        log.critical("%s", error)
        sys.exit(EXIT_ADDRESS_TAKEN)
    except (KeyboardInterrupt, asyncio.CancelledError):
        log.info("stopped before it was ready")
    except Exception:
        log.critical("the service cannot run", exc_info=True)
        sys.exit(EXIT_FAILED)
    finally:
        traces.stop()
    sys.exit(EXIT_STOPPED)


def _serve_metrics(address: Address) -> None:
    try:
        metrics.serve(address)
    except OSError as error:
        raise AddressTaken(address) from error


async def _until_signalled(settings: SettingsType, app: App[SettingsType]) -> None:
    ready = asyncio.Event()
    stop = asyncio.Event()
    serving = asyncio.ensure_future(serve(settings, app, ready=ready, stop=stop))

    def signalled(signal_name: str) -> None:
        # At first, what is in flight may finish. A second signal, or one before anything was
        # served, ends the process at once.
        if stop.is_set() or not ready.is_set():
            serving.cancel()
        log.info("stopping", extra={"signal": signal_name})
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled, number.name)
    await serving


async def serve(
    settings: SettingsType,
    app: App[SettingsType],
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Listen, open the app, set `ready`, and serve until `stop` is set; then finish and close."""
    server = Server(settings)
    await server.start()
    addresses = {"internal": server.internal_address, "public": server.public_address}
    if server.health_address is not None:
        addresses["health"] = server.health_address
    log.info("listening", extra=addresses)
    try:
        async with app(settings) as service:
            await server.serve(service)
            tasks = [asyncio.ensure_future(kept_running(work)) for work in service.background]
            # What is there now stays: the collector need not look at it again and again. Nor need
            # it look so often: a batch makes thousands of objects that die with it.
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 50, 100)
            log.info("serving", extra=addresses)
            ready.set()
            await stop.wait()
            await server.stop(settings.shutdown_grace_seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            log.info("stopped")
    finally:
        await server.stop(0)


async def kept_running(work: Callable[[], Awaitable[None]], clock: Clock | None = None) -> None:
    """Run `work` until it returns; where it fails, log that and run it again, ever more slowly."""
    clock = clock or SystemClock()
    name = getattr(getattr(work, "func", work), "__qualname__", type(work).__qualname__)
    pause_seconds = RESTART_SECONDS_MIN
    while True:
        started = clock.monotonic()
        try:
            await work()
            return
        except Exception as error:
            refusal = error if isinstance(error, Refusal) else None
            log.error(
                "background work failed",
                # A refusal says all in a line; a fault needs its stack.
                exc_info=None if refusal else error,
                extra={
                    "work": name,
                    "incident": new_id(),
                    "again_in_seconds": pause_seconds,
                    **({"reason": refusal} if refusal else {}),
                },
            )
        if clock.monotonic() - started > RESTART_SECONDS_MAX:
            pause_seconds = RESTART_SECONDS_MIN
        await clock.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, RESTART_SECONDS_MAX)

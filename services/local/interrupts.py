"""Ctrl-C: the first stops in order, the second at once."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(on_first: Callable[[], None], on_second: Callable[[], None]) -> Iterator[None]:
    """Cancel the current task at the first signal; at each further one only call `on_second`.

    The task ends as it would anyway, through its `async with` and `finally`; out of it comes
    `asyncio.CancelledError`, for the caller to take as "somebody wanted it to stop".
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    already = False

    def interrupted() -> None:
        nonlocal already
        if already:
            on_second()
            return
        already = True
        task.cancel()
        on_first()

    for each in _SIGNALS:
        loop.add_signal_handler(each, interrupted)
    try:
        yield
    finally:
        for each in _SIGNALS:
            loop.remove_signal_handler(each)

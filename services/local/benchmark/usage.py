"""What the processes of a platform use: CPU seconds and resident memory, by name."""

from __future__ import annotations

import psutil

from services.local.platform import LocalPlatform

LOAD = "load generator and devices"


def cpu_seconds(platform: LocalPlatform) -> dict[str, float]:
    """CPU seconds since each process started, with its children."""
    return {
        name: sum(_cpu_seconds(process) for process in family)
        for name, family in _families(platform).items()
    }


def memory_megabytes(platform: LocalPlatform) -> dict[str, float]:
    """Resident memory of each service process; of a family, the largest member's."""
    return {
        name: max(process.memory_info().rss for process in family) / 1e6
        for name, family in _families(platform).items()
    }


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # What ended children used counts too: PostgreSQL's connections come and go.
    return float(times.user + times.system + times.children_user + times.children_system)


def _families(platform: LocalPlatform) -> dict[str, list[psutil.Process]]:
    roots = {name: process.pid for name, process in platform.processes.items()}
    if platform.postgres is not None:
        roots["postgres"] = platform.postgres.pid
    if platform.nats is not None:
        roots["nats"] = platform.nats.pid
    families = {}
    for name, pid in roots.items():
        if pid is None:
            continue
        process = psutil.Process(pid)
        families[name] = [process, *process.children(recursive=True)]
    families[LOAD] = [psutil.Process()]
    return families

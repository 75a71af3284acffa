"""Owns the calls of `kubectl`: how they are made, and what their failure means to a person."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.cluster.errors import ClusterError

NAMESPACE = "hudhud"


def program() -> str:
    """The machine's own kubectl, which fits its cluster, or the one from the wheel."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("kubectl") or shutil.which("kubectl", path=beside)
    if found is None:
        raise ClusterError("There is no kubectl here. Install it, or run: make venv")
    return found


def kubectl(*arguments: str, given: str | None = None) -> str:
    """What `kubectl` prints, with `given` as its input. Raises ClusterError with what it says."""
    done = subprocess.run(
        [program(), *arguments], input=given, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)}:\n{done.stderr.strip()}")
    return done.stdout


def listed(kinds: Sequence[str], *arguments: str) -> list[dict[str, Any]]:
    """The objects of these kinds in our namespace. Raises ClusterError."""
    answer = kubectl("get", ",".join(kinds), "--namespace", NAMESPACE, "--output=json", *arguments)
    items: list[dict[str, Any]] = json.loads(answer)["items"]
    return items

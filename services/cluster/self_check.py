"""Checks, while an image is made, that all is in it: `python -m services.cluster.self_check`.

Every service and job can be imported, every compiled library loaded, every font of an invoice read;
the classifier judges with its model, and a small one is trained. So a file too much that was left
out stops the image and not a cluster.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from ml.corpus.expand import Shares
from ml.train import Recipe, train
from services.billing.documents.fonts import fonts_beside_main
from services.local.roster import ROSTER
from services.policy.judge import PROGRAM

JOBS = ("services.cluster.prepare", "services.cluster.demonstrate", "services.billing.audit",
        "ml.cli", "ml.fleet.retrain")  # fmt: skip
# Each step of a training, in seconds; what it learns is of no use.
SMALL = Recipe(
    shares=Shares(from_pattern=1, hard_pairs=0), languages=("hi-Latn", "sw"), bucket_bits=10,
    language_bits=10, iterations_max=3, lessons_max=500, hidden=4, epochs=1,
)  # fmt: skip


def main() -> int:
    """Run the check; returns the exit code."""
    for module in (*(f"{service.module}.app" for service in ROSTER), *JOBS):
        importlib.import_module(module)
    for library in Path(sysconfig.get_path("platlib")).rglob("*.so"):
        ctypes.CDLL(str(library))
    list(fonts_beside_main("فใच"))
    train(SMALL, [], {}, lambda *_: None)
    key = Path(os.environ["HUDHUD_MODEL_VERIFICATION_KEY_FILE"]).read_text()
    question = {"load": [os.environ["HUDHUD_MODEL_DIRECTORY"], key], "niceness": 0}
    answered = subprocess.run(
        [sys.executable, "-m", PROGRAM],
        input=json.dumps(question).encode() + b"\n",
        check=True,
        stdout=subprocess.PIPE,
    )
    answer = json.loads(answered.stdout)
    if "refused" in answer:
        print(f"The classifier does not load its model: {answer['refused']}", file=sys.stderr)
        return 1
    print(f"All services are there, and the model of {answer['model_id']}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

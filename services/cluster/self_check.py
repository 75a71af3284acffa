"""Checks, while an image is made, that all is in it: `python -m services.cluster.self_check`.

Every service can be imported, and the classifier loads its model and judges with it. So a file too
much that was left out stops the image and not a cluster.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from services.local.roster import ROSTER
from services.policy.judge import PROGRAM


def main() -> int:
    """Run the check; returns the exit code."""
    for service in ROSTER:
        importlib.import_module(f"{service.module}.app")
    for job in ("services.cluster.prepare", "services.cluster.demonstrate", "ml.train"):
        importlib.import_module(job)
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

"""What judging costs on one core, measured in a process of its own.

    python -m ml.evaluation.costs MODEL_FOLDER PUBLIC_KEY

reads messages, a JSON list, and prints a JSON object by the names of `cost_under` in the limits.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import process_time

import psutil

from ml.errors import CostsUnknown

_ALONE = 200
_ROUNDS = 3


def costs_of(folder: Path, public_key: Path, texts: Sequence[str]) -> dict[str, float]:
    """The costs of judging these texts. Raises CostsUnknown.

    Times are of the processor, on one core: what else runs on the machine does not count.
    """
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, str(folder), str(public_key)],
        env=os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")},
        input=json.dumps(texts), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CostsUnknown(f"{folder} could not be measured: {done.stderr.strip()}")
    costs: dict[str, float] = json.loads(done.stdout)
    return costs


def main() -> None:
    """Measures; in this process, which should do nothing else."""
    from ml.classifier import Classifier
    from ml.evaluate import BATCH
    from ml.keys import read_public_key

    texts = json.load(sys.stdin)
    before = _resident_megabytes()
    classifier = Classifier.load(Path(sys.argv[1]), read_public_key(Path(sys.argv[2])))
    classifier.judge(texts[:BATCH])
    alone = []
    for text in texts[:_ALONE]:
        start = process_time()
        classifier.judge([text])
        alone.append(process_time() - start)
    rounds = []
    for _ in range(_ROUNDS):
        start = process_time()
        for at in range(0, len(texts), BATCH):
            classifier.judge(texts[at : at + BATCH])
        rounds.append((process_time() - start) / len(texts))
    # The quickest round: others at work take from the caches that are shared.
    print(json.dumps({
        "alone_milliseconds": round(1000 * median(alone), 3),
        "batched_milliseconds": round(1000 * min(rounds), 3),
        "resident_megabytes": round(_resident_megabytes() - before, 1),
    }))  # fmt: skip


def _resident_megabytes() -> float:
    """What this process holds now."""
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    main()

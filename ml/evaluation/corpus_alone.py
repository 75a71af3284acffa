"""How a model that learned from the corpus alone stands beside the released one.

    hudhud-ml compare build/model ml/released FILES --json | python -m ml.evaluation.corpus_alone

keeps what `compare` told of all FILES, by label, for whoever trains without further data: A is the
model from the corpus alone, B the released one. FILES are messages that neither learned from.
"""

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from rich.table import Table

from ml.evaluation.pairs import Difference
from ml.evaluation.show import differences
from ml.report import ALL

FILE = Path(__file__).with_name("corpus_alone.json")


def keep(source: TextIO) -> None:
    """Takes what `compare` told, but for what names messages."""
    told: dict[str, Any] = json.load(source)
    overall = [one for one in told["differences"] if one["group"] == ALL]
    kept = {"a": told["a"], "b": told["b"], "differences": overall}
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def beside_the_released() -> Table:
    """What was kept, for reading."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    found = [Difference(**{name: value for name, value in one.items() if name != "worse"})
             for one in kept["differences"]]  # fmt: skip
    return differences(found, (
        "Stopped on messages from elsewhere: by a model from the corpus alone "
        f"(A, {kept['a']}) and by the released one (B, {kept['b']})"
    ))  # fmt: skip


if __name__ == "__main__":
    keep(sys.stdin)

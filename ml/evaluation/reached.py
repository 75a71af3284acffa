"""How far a model gets where it does not keep a limit, so that no other may fall behind it.

    python -m ml.evaluation.reached

measures the released model and writes that into `reached.toml`, for every model that comes after.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whatever is measured of a model is held to limits, which read this file
    from ml.evaluation.limits import Check

FILE = Path(__file__).with_name("reached.toml")
_HEAD = """\
# How far the released model gets where it does not keep a limit, by language. Written by
# `python -m ml.evaluation.reached`, after each release; see README.md.
"""


@dataclass(frozen=True, slots=True)
class Reached:
    """The figures of one model that are beyond a limit. One without any is held to the limits."""

    figures: Mapping[tuple[str, str], float]  # by what is checked, and language
    model: str = ""  # its version
    reason: str = ""  # why no more is asked for; the reasons of `limits.toml` if empty

    @classmethod
    def of(cls, checks: "Iterable[Check]", model: str, reason: str = "") -> "Reached":
        """What was found of a model. Costs are not among it: their limits are kept."""
        missed = [check for check in checks if not check.held and check.is_share]
        return cls({(check.what, check.group): check.figure for check in missed}, model, reason)


@cache
def reached() -> Reached:
    """By the released model: what the file says."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    model = tables.pop("model")
    return Reached({(what, group): figure for what, figures in tables.items()
                    for group, figure in figures.items()}, model)  # fmt: skip


def as_toml(found: Reached) -> str:
    """What the file says of a model."""
    lines, table = [_HEAD + f"model = {json.dumps(found.model)}"], ""
    for (what, group), figure in sorted(found.figures.items()):
        if what != table:
            lines.append(f"\n[{json.dumps(what)}]")
            table = what
        lines.append(f"{json.dumps(group)} = {figure}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures the released model and writes the file."""
    from ml.classifier import Classifier
    from ml.command import steps_told
    from ml.evaluation.gate import unseen
    from ml.evaluation.limits import checks
    from ml.keys import read_public_key
    from ml.places import RELEASED

    released = Classifier.load(RELEASED.model, read_public_key(RELEASED.public_key))
    with steps_told() as progress:
        found = checks(unseen(released, progress))
    FILE.write_text(as_toml(Reached.of(found, released.manifest.version)), encoding="utf-8")


if __name__ == "__main__":
    main()

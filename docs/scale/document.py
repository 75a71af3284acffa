"""Writes the tables of docs/scale.md, from what was measured, assumed, computed and simulated.

    python -m docs.scale.document                          writes them
    python -m docs.scale.document --check                  exits 1 if they are not as they should be
    python -m docs.scale.document --take .state/bench.json keeps new figures first

So no figure in the document can be older than the one that it rests on.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs.scale import simulated, tables
from docs.scale.arithmetic import Assumptions
from docs.scale.breaks import breaks
from docs.scale.claims import Answers, ask
from docs.scale.figures import MEASURED, Figures

DOCUMENT: Final = Path(__file__).parents[1] / "scale.md"
PART: Final = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

MEASURED_PARTS: Final[Mapping[str, Callable[[Figures], str]]] = {
    "cpu": tables.cpu,
    "share": tables.share,
    "beside": tables.beside,
    "wire": tables.wire,
    "kept": tables.kept,
}
COMPUTED_PARTS: Final[Mapping[str, Callable[[Figures, Assumptions], str]]] = {
    "assumptions": tables.assumptions,
    "needs": tables.needs,
    "machines": tables.machines,
    "money": tables.money,
    "breaks": breaks,
}
SIMULATED_PARTS: Final[Mapping[str, Callable[[Figures, Answers], str]]] = {
    "checked": simulated.checked,
    "loads": simulated.loads,
    "storms": simulated.storms,
}


def written(document: str, figures: Figures, answers: Answers) -> str:
    """The document with its parts as they should be. Raises KeyError for a part nobody makes."""
    assumed = Assumptions()

    def part(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        if name in MEASURED_PARTS:
            text = MEASURED_PARTS[name](figures)
        elif name in COMPUTED_PARTS:
            text = COMPUTED_PARTS[name](figures, assumed)
        else:
            text = SIMULATED_PARTS[name](figures, answers)
        return f"{begin}\n{text}\n\n{end}"

    return PART.sub(part, document)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.scale.document", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if untrue")
    parser.add_argument("--take", type=Path, metavar="FILE", help="new figures, of make bench")
    asked = parser.parse_args(arguments)
    document = DOCUMENT.read_text("utf-8")
    source = asked.take or MEASURED
    try:
        figures = Figures.read(source)
        wanted = written(document, figures, ask(figures))
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{source} is not what make bench writes: {error!r}. Run it again.\n")
        return 1
    if asked.check and document != wanted:
        sys.stderr.write("docs/scale.md is not what it is made from; run: make scale\n")
        return 1
    if not asked.check:
        DOCUMENT.write_text(wanted, "utf-8")
        MEASURED.write_bytes(source.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())

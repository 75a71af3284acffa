"""What the commands of `hudhud-ml` share: options, consoles, progress, how refusals are told."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ml.corpus.patterns import CorpusError
from ml.data import BadLine, Row, read_rows
from ml.errors import CostsUnknown, DataRefused, KeyUnreadable, ModelRefused
from ml.places import RELEASED, TRAINED_HERE, model_in_use

MODEL = Path("build/model")
SIGNING_KEY = Path(".state/keys/model_release.key")
REFUSED = 1
SOME_LINES_UNUSABLE = 3

# Takes what is being done, how many steps are done, and of how many.
Told = Callable[[str, int, int | None], None]

errors = Console(stderr=True, highlight=False)
output = Console(highlight=False)


def key_of(parameter: str) -> Callable[[click.Context, click.Parameter, Path | None], Path]:
    """The key of the folder that another parameter names, where none is given.

    The released model has a key of its own; any other was signed with the one of this place.
    """

    def key(context: click.Context, _: click.Parameter, given: Path | None) -> Path:
        if given is not None:
            return given
        released = Path(context.params[parameter]).resolve() == RELEASED.model
        return (RELEASED if released else TRAINED_HERE).public_key

    return key


def text_given(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """What was typed, if it is text: bytes that are no UTF-8 come to us as half characters."""
    try:
        (given or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("this is not UTF-8.") from None
    return given


def digests_of(files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file by its name, and its number where an earlier one has that name."""
    digests: dict[str, str] = {}
    for number, file in enumerate(files, 1):
        name = f"{file.name} ({number})" if file.name in digests else file.name
        digests[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return digests


existing = click.Path(exists=True, dir_okay=False, path_type=Path)
any_path = click.Path(path_type=Path)
model_option = click.option("--model", "folder", type=any_path, is_eager=True,
                            default=lambda: model_in_use().model,
                            help="Folder of the model; if not given, the one trained here, or else "
                                 "the released one.")  # fmt: skip
key_option = click.option("--public-key", type=any_path, callback=key_of("folder"),
                          help="PEM of the key that releases are signed with.")  # fmt: skip
seed_option = click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1,
                           show_default=True)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="For machines.")


def refusals_told(command: Callable[..., None]) -> Callable[..., None]:
    """Says in one line why a model, a key, data or the corpus was refused, and ends with 1."""

    @wraps(command)
    def told(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (
            ModelRefused, DataRefused, KeyUnreadable, CorpusError, CostsUnknown, OSError,
        ) as error:  # fmt: skip
            errors.print(
                f"{type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True
            )
            sys.exit(REFUSED)

    return told


def rows_of(files: Sequence[Path]) -> tuple[list[Row], int]:
    """The usable rows of some files, and how many lines were not."""
    rows: list[Row] = []
    bad = 0
    for file in files:
        lines = list(read_rows(file))
        bad += bad_lines_told(file, lines)
        rows += [line for line in lines if isinstance(line, Row)]
    return rows, bad


def bad_lines_told(file: Path, lines: Iterable[Row | BadLine]) -> int:
    """Names the lines that could not be used on standard error; how many they are."""
    bad = [line for line in lines if isinstance(line, BadLine)]
    for line in bad:
        errors.print(f"{file.name}:{line.number}: {line.reason}", style="yellow", markup=False)
    return len(bad)


def progress_bar() -> Progress:
    """A bar on standard error, and nothing where that is no terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}")
    return Progress(*columns, TimeElapsedColumn(), console=errors, transient=True)


@contextmanager
def steps_told() -> Iterator[Told]:
    """One bar that changes its name; where standard error is no terminal, a line for each step, of
    which `retrain --on-cluster` makes a bar.
    """
    if errors.is_terminal:
        with progress_bar() as bar:
            task = bar.add_task("beginning", total=None)
            yield lambda what, done, of: bar.update(
                task, description=what, completed=done, total=of
            )
        return
    before = ""

    def told(what: str, done: int, of: int | None) -> None:
        nonlocal before
        if what != before:
            errors.print(f"[{done}/{of or '-'}] {what}", markup=False, soft_wrap=True)
        before = what

    yield told

"""Builds the Python stubs of every proto beside this file: messages, their types, and gRPC.

Everything is generated into a folder of its own first and moved over file by file, so that a
process importing the stubs meanwhile always finds whole files. What did not change keeps its
modification time; what no proto produces any more is removed.

    python protos/build_stubs.py build/stubs
"""

import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent


def generate(protos: list[Path], target: Path) -> None:
    """Runs protoc over `protos` and makes every folder it fills a package."""
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            f"--grpc_python_out={target}",
            *(str(proto) for proto in protos),
        ]
    )
    if status != 0:
        raise SystemExit(status)
    for module in list(target.rglob("*_pb2.py")):
        for folder in module.relative_to(target).parents[:-1]:
            (target / folder / "__init__.py").touch()


def replace(fresh: Path, target: Path) -> None:
    """Makes `target` hold exactly the modules of `fresh`, by renaming one whole file at a time."""
    wanted = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for name in sorted(wanted):
        old = target / name
        if not old.exists() or not filecmp.cmp(fresh / name, old, shallow=False):
            old.parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).replace(old)
    for old in [path for path in target.rglob("*.py*") if path.suffix in (".py", ".pyi")]:
        if old.relative_to(target) not in wanted:
            old.unlink()


def main(target: Path) -> None:
    """Brings `target` up to date with the protos."""
    protos = sorted(PROTOS.rglob("*.proto"))
    target.mkdir(parents=True, exist_ok=True)
    # Beside the target, because a rename is atomic only within one file system.
    with tempfile.TemporaryDirectory(prefix="stubs-", dir=target.parent) as folder:
        fresh = Path(folder)
        if protos:
            generate(protos, fresh)
        replace(fresh, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The rules of the tree that no linter knows: names, sizes, the anatomy of a service."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("services", "ml", "tests", "protos", "docs")
LINES_MAX = 400
SERVICES = (
    "services/identity",
    "services/policy",
    "services/billing",
    "services/messaging",
    "services/ends/edge",
)
PARTS = ("__main__", "app", "config", "servicer", "actions", "domain", "errors", "store")
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

RPC = re.compile(r"^  rpc (\w+)", re.MULTILINE)
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE|WITH \w+ AS)\b")
PIN = re.compile(r"^\S+==[^\\]+", re.MULTILINE)
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def modules(*folders: str) -> list[Path]:
    """Every Python file under the folders, relative to the project."""
    return sorted(
        path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py")
    )


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_files_are_small_enough_to_read() -> None:
    lines = {str(module): len(text_of(module).splitlines()) for module in modules(*CODE)}
    assert {name: count for name, count in lines.items() if count > LINES_MAX} == {}


def test_names_say_what_is_inside() -> None:
    vague = [
        module
        for module in modules("services", "ml")
        if VAGUE_NAMES & {word for part in module.with_suffix("").parts for word in part.split("_")}
    ]
    assert vague == []


def test_every_service_has_the_same_parts() -> None:
    places = [Path(service) / part for service in SERVICES for part in PARTS]
    missing = [
        place
        for place in places
        if not (ROOT / place).is_dir() and not (ROOT / place).with_suffix(".py").is_file()
    ]
    assert missing == []


def test_every_rpc_has_an_action_of_its_name() -> None:
    missing = []
    for service in SERVICES:
        actions = {path.stem for path in (ROOT / service / "actions").glob("[a-z]*.py")}
        for proto in (ROOT / "protos/hudhud" / Path(service).name).rglob("*.proto"):
            for rpc in RPC.findall(proto.read_text()):
                name = re.sub(r"(?<!^)(?=[A-Z])", "_", rpc).lower()
                # An RPC for one may share the action of the RPC for many.
                if not {name, f"{name}s"} & actions:
                    missing.append(f"{service}/actions/{name}.py")
    assert missing == []


def test_migrations_are_numbered_and_explained() -> None:
    for folder in (ROOT / "services").rglob("migrations"):
        files = sorted(folder.glob("*.sql"))
        assert [file.name[:5] for file in files] == [f"{n:04}_" for n in range(1, len(files) + 1)]
        assert [file for file in files if not file.read_text().startswith("--")] == []


def test_only_a_store_speaks_sql() -> None:
    speakers = [
        module
        for module in modules(*SERVICES)
        if "store" not in module.with_suffix("").parts
        and any(
            isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
            for node in ast.walk(ast.parse(text_of(module)))
        )
    ]
    assert speakers == []


def test_lock_files_pin_hashes_and_name_no_place() -> None:
    for name in ("service.lock", "runtime.lock", "dev.lock"):
        lines = text_of(Path("requirements") / name).splitlines()
        assert [line for line in lines if not PIN.match(line) and not HASH.fullmatch(line)] == []


def test_what_runs_is_what_was_tested() -> None:
    service, runtime, dev = (
        set(PIN.findall(text_of(Path("requirements") / name)))
        for name in ("service.lock", "runtime.lock", "dev.lock")
    )
    assert runtime - dev == set()
    assert service - runtime == set()

"""The rules of the tree that no linter knows: names, sizes, the anatomy of a service."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("services", "ml", "tests", "protos")
LINES_MAX = 400
SERVICES = (
    "services/identity",
    "services/policy",
    "services/billing",
    "services/messaging",
    "services/ends/edge",
)
RPC = re.compile(r"^  rpc (\w+)", re.MULTILINE)
PIN = re.compile(r"^\S+==[^\\]+", re.MULTILINE)
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|WITH \w+ AS)\b")
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def modules(*folders: str) -> list[str]:
    """Every Python file under the folders, as paths relative to the project."""
    return sorted(
        str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("*.py")
    )


@pytest.mark.parametrize("module", modules(*CODE))
def test_a_file_is_small_enough_to_read(module: str) -> None:
    lines = len((ROOT / module).read_text().splitlines())
    assert lines <= LINES_MAX, f"{module} has {lines} lines; it asks to be two files"


@pytest.mark.parametrize("module", modules("services", "ml"))
def test_a_name_says_what_is_inside(module: str) -> None:
    words = {word for part in Path(module).with_suffix("").parts for word in part.split("_")}
    assert not words & VAGUE_NAMES


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "part", ["__main__", "app", "config", "servicer", "actions", "domain", "errors", "store"]
)
def test_every_service_has_the_same_parts(service: str, part: str) -> None:
    place = ROOT / service / part
    assert place.is_dir() or place.with_suffix(".py").is_file()


@pytest.mark.parametrize("service", SERVICES)
def test_every_action_is_an_rpc_and_every_rpc_an_action(service: str) -> None:
    name = Path(service).name
    protos = (ROOT / "protos/hudhud" / name).rglob("*.proto")
    rpcs = [rpc for proto in protos for rpc in RPC.findall(proto.read_text())]
    words = {re.sub(r"(?<!^)(?=[A-Z])", "_", rpc).lower() for rpc in rpcs}
    actions = {path.stem for path in (ROOT / service / "actions").glob("[a-z]*.py")}
    assert actions == words


@pytest.mark.parametrize("folder", sorted((ROOT / "services").rglob("migrations")))
def test_migrations_are_numbered_and_explained(folder: Path) -> None:
    files = sorted(folder.glob("*.sql"))
    assert [file.name[:5] for file in files] == [f"{n:04}_" for n in range(1, len(files) + 1)]
    for file in files:
        assert file.read_text().startswith("-- "), f"{file.name} opens with what it is for"


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in modules(*SERVICES)
        if Path(module).name != "store.py" and Path(module).parent.name != "store"
    ],
)
def test_only_a_store_speaks_sql(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert not [text for text in texts if isinstance(text, str) and SQL.match(text)]


@pytest.mark.parametrize("lock", ["runtime.lock", "dev.lock"])
def test_a_lock_file_pins_hashes_and_names_no_place(lock: str) -> None:
    lines = (ROOT / "requirements" / lock).read_text().splitlines()
    pins = [line for line in lines if not line.startswith(" ")]
    assert all(re.match(r"[a-z0-9-]+==\S+ ", pin) and pin.endswith("\\") for pin in pins)
    assert all(re.match(r"    --hash=sha256:[0-9a-f]{64}", line) for line in set(lines) - set(pins))


def test_runtime_and_dev_agree_on_every_version() -> None:
    pins = {
        name: set(PIN.findall((ROOT / "requirements" / name).read_text()))
        for name in ("runtime.lock", "dev.lock")
    }
    assert pins["runtime.lock"] <= pins["dev.lock"]

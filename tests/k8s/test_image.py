"""The Dockerfile: what it copies is there and allowed, who runs, and what it is made of."""

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cluster import bill_of_materials
from services.cluster.bill_of_materials import bill, locked_hashes

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "service.lock"


# What no image runs: the tools of one machine, and what a person types into.
OUTSIDE = (
    "services/local",
    "services/ends/device/phone.py",
    "ml/labelling/keys.py",
    "ml/evaluation/speed.py",
    "ml/fleet/on_cluster.py",
)


def imported() -> Iterator[tuple[str, str]]:
    """Module by module, the first words of what the code of services and jobs imports."""
    for folder in ("services", "ml"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(OUTSIDE):
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    yield from ((name, alias.name.partition(".")[0]) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield name, node.module.partition(".")[0]


def test_what_services_import_is_in_the_image() -> None:
    locked = {name for name, _ in locked_hashes(LOCK.read_text())}
    providers = importlib.metadata.packages_distributions()
    missing = {
        (path, module)
        for path, module in imported()
        if module in providers
        and not {re.sub(r"[-_.]+", "-", name).lower() for name in providers[module]} & locked
    }
    # To mend it, move the package from runtime.in to service.in, and `make lock`.
    assert missing == set()


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile, with its continued lines joined."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in found]


def last_stage() -> list[tuple[str, str]]:
    everything = instructions()
    start = max(number for number, (word, _) in enumerate(everything) if word == "FROM")
    return everything[start:]


def test_the_base_is_an_argument_and_has_a_version() -> None:
    assert [rest for word, rest in instructions() if word == "FROM"] == [
        "${BASE_IMAGE} AS packages",
        "${BASE_IMAGE} AS whole",
        "scratch",
    ]
    (default,) = [rest for word, rest in instructions() if rest.startswith("BASE_IMAGE=")]
    assert re.search(r":3\.\d+-", default)
    # make image says the same.
    assert default in (ROOT / "Makefile").read_text().replace(" ?= ", "=")


def test_packages_come_from_the_lock_file_with_hashes_and_as_wheels() -> None:
    (install,) = [rest for word, rest in instructions() if " install " in rest and "pip" in rest]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "requirements/service.lock" in install


def test_it_runs_as_nobody_in_particular() -> None:
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users == ["10001:10001"]
    assert ("ENTRYPOINT", '["python", "-m"]') in last_stage()


def test_the_last_stage_is_one_layer_of_what_was_made_before() -> None:
    """A step that only touched files would put all of them into the image once more."""
    assert [word for word, _ in last_stage() if word in ("RUN", "ADD", "COPY")] == ["COPY"]


def test_an_image_of_more_than_400_megabytes_is_not_made() -> None:
    assert ("ARG", "SIZE_MAX_BYTES=400000000") in instructions()
    # Nothing comes into it after it was weighed.
    before = [rest for word, rest in instructions() if word in ("RUN", "COPY")][-2:]
    assert re.search(r'"\$size" -le "\$SIZE_MAX_BYTES" \].* exit 1', before[0])
    assert before[1] == "--from=whole / /"


def test_what_is_copied_is_let_through_and_keys_are_not() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        rest.split()[0]
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
    }
    assert copied == let_through
    assert not [name for name in let_through if ".state" in name]


def test_what_is_taken_away_is_not_in_the_bill() -> None:
    """No program goes behind dpkg's back, which is asked for the bill."""
    steps = [step.strip() for word, rest in instructions() if word == "RUN"
             for step in rest.split("&&")]  # fmt: skip
    purge, bill_made = (
        next(number for number, step in enumerate(steps) if words in step)
        for words in (":/sbin dpkg --purge", "python -m services.cluster.bill_of_materials")
    )
    assert purge < bill_made
    assert not [step for step in steps[bill_made:] if re.search(r"\s/(usr/)?(s?bin)/", step)]


def test_the_bill_names_every_package_with_its_hashes() -> None:
    lock = LOCK.read_text()
    hashes = locked_hashes(lock)
    assert len(hashes) == len(re.findall(r"^\S+==", lock, re.MULTILINE))
    assert all(hashes.values())
    # Here more is installed than an image has, and only what is locked may be in one.
    with pytest.raises(SystemExit, match="installed and not locked"):
        bill(lock)


def test_the_bill_is_made_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = {name for name, _ in locked_hashes(LOCK.read_text())}
    installed = [
        each
        for each in importlib.metadata.distributions()
        if re.sub(r"[-_.]+", "-", each.name).lower() in locked
    ]
    monkeypatch.setattr(bill_of_materials, "distributions", lambda: installed)
    components = {each["name"]: each for each in bill(LOCK.read_text())["components"]}
    assert components["asyncpg"]["purl"].startswith("pkg:pypi/asyncpg@")
    assert len(components["asyncpg"]["properties"]) > 1
    assert locked - components.keys() <= {"colorama", "tzdata"}  # other systems need those

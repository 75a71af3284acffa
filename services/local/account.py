"""The account that PostgreSQL runs as.

PostgreSQL refuses to run as root, and in a container or in CI root is often all there is. Then it
runs as an account that the system already has; as anybody else, it runs as that person.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from services.local.errors import LocalError

# In order of preference: PostgreSQL's own account where a package made one; otherwise the account
# that owns nothing, which every system has.
_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A system account by its numbers, and whether we have to become it first."""

    name: str
    uid: int
    gid: int
    is_ours: bool

    def own(self, path: Path) -> None:
        """Give the path to this account, for itself alone."""
        if not self.is_ours:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700 if path.is_dir() else 0o600)

    def reaches(self, path: Path) -> bool:
        """Whether this account may walk through every folder above the path."""
        return self.is_ours or all(self._may_enter(folder) for folder in path.resolve().parents)

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def database_account() -> Account:
    """Choose who runs PostgreSQL: ourselves, or an unprivileged account when we are root.

    Raises:
        LocalError: We are root and the system has no account that could run it.

    """
    if os.geteuid() != 0:
        return Account("", os.geteuid(), os.getegid(), is_ours=True)
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, is_ours=False)
    raise LocalError(
        "PostgreSQL does not run as root, and this system has neither an account named 'postgres' "
        "nor one named 'nobody'. Add one (useradd --system postgres), run as another user, or "
        "point HUDHUD_DATABASE_URL at a PostgreSQL 18 server."
    )

"""One database and one role for each service, on the PostgreSQL that a URL names."""

import secrets
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from services.local.errors import LocalError
from services.local.private_files import private_folder, write_private


class Databases:
    """Makes databases that only their own role may enter, and returns their URLs."""

    def __init__(self, admin_url: str, secrets_folder: Path) -> None:
        self._admin_url = admin_url
        self._secrets_folder = secrets_folder

    async def ensure(self, name: str) -> str:
        """Make the database and the role of this name, unless they are there; return a URL.

        The role owns this database and may enter no other service's. Its password lies
        in a file that the URL names, so that neither the environment nor a log ever holds it.

        Raises:
            LocalError: The server cannot be reached, or the URL's role may not create databases.

        """
        admin = await self._connect()
        try:
            password_file = await self._ensure_role(admin, name)
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await self._create(admin, name)
        finally:
            await admin.close()
        return _url_for(self._admin_url, name, name, password_file)

    async def ensure_guest(self, name: str) -> str:
        """Make a second role for the database of this name, unless it is there; return its URL.

        The guest may connect, owns nothing, and may do what the owner grants to everybody: so a
        service can be kept from removing the constraints that its data stands on.

        Raises:
            LocalError: The server cannot be reached.

        """
        guest = _guest_of(name)
        admin = await self._connect()
        try:
            password_file = await self._ensure_role(admin, guest)
            # As the owner: a managed server's administrator is no superuser.
            await admin.execute(f'GRANT "{name}" TO CURRENT_USER')
            await admin.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{guest}"')
            await admin.execute(f'REVOKE "{name}" FROM CURRENT_USER')
        finally:
            await admin.close()
        return _url_for(self._admin_url, guest, name, password_file)

    async def drop(self, name: str) -> None:
        """Remove the database and its roles, breaking off whoever uses it."""
        admin = await self._connect()
        try:
            if await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
                await admin.execute(f'GRANT "{name}" TO CURRENT_USER')
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            for role in (name, _guest_of(name)):
                await admin.execute(f'DROP ROLE IF EXISTS "{role}"')
        finally:
            await admin.close()
        for role in (name, _guest_of(name)):
            self._password_file(role).unlink(missing_ok=True)

    async def _ensure_role(self, admin: asyncpg.Connection, role: str) -> Path:
        """Make the role unless it is there; return the file with its password."""
        password_file = self._password_file(role)
        is_new = not password_file.exists()
        password = secrets.token_hex(32) if is_new else _password_in(password_file)
        # Names and passwords here are our own words and hexadecimal digits; neither can carry
        # a quote, and PostgreSQL takes no parameters in these statements.
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await admin.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'")
        elif is_new:
            await admin.execute(f"ALTER ROLE \"{role}\" LOGIN PASSWORD '{password}'")
        if is_new:
            private_folder(self._secrets_folder)
            write_private(password_file, f"*:*:*:{role}:{password}\n".encode())
        return password_file

    def _password_file(self, role: str) -> Path:
        return self._secrets_folder / f"{role}.pgpass"

    async def _create(self, admin: asyncpg.Connection, name: str) -> None:
        # A managed server's administrator is no superuser: it may only give a database to a role
        # that it is itself a member of.
        await admin.execute(f'GRANT "{name}" TO CURRENT_USER')
        await admin.execute(
            f'CREATE DATABASE "{name}" OWNER "{name}" TEMPLATE template0 ENCODING \'UTF8\' '
            "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
        )
        await admin.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        await admin.execute(f'REVOKE "{name}" FROM CURRENT_USER')

    async def _connect(self) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(self._admin_url, timeout=10)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            server = urlsplit(self._admin_url).hostname or "the local socket"
            raise LocalError(
                f"PostgreSQL at {server} cannot be reached: {error}. Check HUDHUD_DATABASE_URL "
                "if you have set it; its role must be allowed to create databases and roles."
            ) from error


def _password_in(password_file: Path) -> str:
    return password_file.read_text().strip().rsplit(":", 1)[1]


def _guest_of(name: str) -> str:
    return f"{name}_guest"


def _url_for(admin_url: str, role: str, database: str, password_file: Path) -> str:
    """The administrator's URL with another role and database, and its password in a file."""
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    ours = ("user", "password", "passfile", "dbname")
    kept = [(key, value) for key, value in parse_qsl(parts.query) if key not in ours]
    query = urlencode([*kept, ("passfile", str(password_file))])
    return urlunsplit((parts.scheme, f"{role}@{address}", f"/{database}", query, ""))

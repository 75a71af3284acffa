"""PostgreSQL as the manifests set it up: the same databases as on one machine, no passwords."""

import re
import secrets
from typing import Any

import asyncpg

from services.local.databases import Databases
from tests.fixtures.postgres import PostgresForTests
from tests.k8s.rendered import MANIFESTS, SERVICES, of_kind
from tests.k8s.test_settings import own_variables

COMPONENT = MANIFESTS / "components/postgres"
OPERATORS_COMPONENT = "overlays/production"
ABOUT_A_DATABASE = """
SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding,
       datlocprovider, datlocale, datcollate, datctype,
       has_database_privilege('public', oid, 'CONNECT') AS is_open
  FROM pg_database WHERE datname = $1
"""


async def test_databases_are_as_on_one_machine(postgres: PostgresForTests) -> None:
    prefix = f"k8s_{secrets.token_hex(4)}"
    statements = (COMPONENT / "databases.sql").read_text().replace("hudhud_", f"{prefix}_")
    admin = await asyncpg.connect(postgres.admin_url)
    try:
        for statement in statements.split(";\n"):
            if statement.strip():
                await admin.execute(statement)

        async def about(name: str) -> dict[str, Any]:
            return dict(await admin.fetchrow(ABOUT_A_DATABASE, name) or {})

        model_url = await postgres.create_database("model")
        model = re.sub(r".*/(\w+)\?.*", r"\1", model_url)
        wanted = await about(model)
        assert wanted["is_open"] is False
        for service in SERVICES:
            database = f"{prefix}_{service}"
            assert await about(database) == {**wanted, "owner": database}
        enters = "SELECT has_database_privilege($1, $2, 'CONNECT')"
        guest = f"{prefix}_billing_guest"
        assert await admin.fetchval(enters, guest, f"{prefix}_billing")
        assert not await admin.fetchval(enters, guest, f"{prefix}_identity")
        assert not await admin.fetchval(enters, f"{prefix}_policy", f"{prefix}_identity")
    finally:
        await admin.close()
        databases = Databases(postgres.admin_url, postgres.secrets_folder)
        for service in SERVICES:
            await databases.drop(f"{prefix}_{service}")


def test_everybody_is_let_in_where_the_manifests_send_them() -> None:
    """pg_hba.conf lets everybody enter the database of the same name, and billing's guest too."""
    pairs = {
        (service, *re.findall(r"//(\w+)@[^/]+/(\w+)\?", url)[0])
        for service in SERVICES
        for name, url in own_variables("overlays/local", service).items()
        if name.endswith("DATABASE_URL")
    }
    mapped = {tuple(rule[1:]) for rule in rules("pg_ident.conf")}
    assert {(service, role) for service, role, _ in pairs} == mapped
    assert {pair for pair in pairs if pair[1] != pair[2]} == {
        ("billing", "hudhud_billing_guest", "hudhud_billing")
    }


def rules(file: str) -> list[list[str]]:
    """The words of each line that says something."""
    lines = (COMPONENT / file).read_text().splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_the_operators_cluster_lets_in_the_same() -> None:
    (cluster,) = of_kind(OPERATORS_COMPONENT, "Cluster")
    postgresql = cluster["spec"]["postgresql"]
    over_the_network = [rule for rule in rules("pg_hba.conf") if rule[0] != "local"]
    assert [rule.split() for rule in postgresql["pg_hba"]] == over_the_network
    assert [rule.split() for rule in postgresql["pg_ident"]] == rules("pg_ident.conf")
    roles = {role["name"] for role in cluster["spec"]["managed"]["roles"]}
    assert roles == {rule[2] for rule in rules("pg_ident.conf")}
    databases = {
        (each["spec"]["name"], each["spec"]["owner"])
        for each in of_kind(OPERATORS_COMPONENT, "Database")
    }
    made = re.findall(
        r"CREATE DATABASE (\w+) OWNER (\w+)", (COMPONENT / "databases.sql").read_text()
    )
    assert databases == set(made)


def test_a_key_may_lie_where_the_manifest_puts_it() -> None:
    """PostgreSQL refuses a key that others can read, unless it is root's and the group's."""
    (postgres,) = [
        each
        for each in of_kind("overlays/local", "StatefulSet")
        if each["metadata"]["name"] == "postgres"
    ]
    pod = postgres["spec"]["template"]["spec"]
    (tls,) = [volume for volume in pod["volumes"] if volume["name"] == "tls"]
    assert tls["secret"]["defaultMode"] == 0o440
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]

"""An API of a cluster for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cluster.api import Api
from services.local.certificates import Authority
from services.local.secrets import Secrets
from tests.k8s.fake_api import FakeApi, serving


@pytest.fixture
def fake_api() -> FakeApi:
    """What the cluster holds; empty at first."""
    return FakeApi()


@pytest.fixture
def api(fake_api: FakeApi, authority: Authority, tmp_path: Path) -> Iterator[Api]:
    """The way to it."""
    with serving(fake_api, authority, tmp_path) as api:
        yield api


@pytest.fixture
def secrets_of_one_machine(tmp_path: Path) -> Secrets:
    """Files with the names that Secrets and their keys have in the cluster."""
    return Secrets(tmp_path / "secrets")

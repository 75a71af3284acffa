"""What every test may ask for; each fixture is described in its own file."""

import os

# See services/local/__init__.py: it has to be said before anything imports gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

pytest_plugins = [
    "tests.fixtures.parts",
    "tests.fixtures.state",
    "tests.fixtures.postgres",
    "tests.fixtures.nats",
    "tests.fixtures.authority",
    "tests.fixtures.platform",
    "tests.fixtures.traces",
]

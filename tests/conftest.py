"""What every test may ask for; each fixture is described in its own file."""

pytest_plugins = [
    "tests.fixtures.parts",
    "tests.fixtures.state",
    "tests.fixtures.postgres",
    "tests.fixtures.nats",
    "tests.fixtures.authority",
    "tests.fixtures.platform",
]

"""What the tests of docs/scale share: the figures that are kept, and one run of the simulation."""

import pytest

from docs.scale.claims import Answers, ask
from docs.scale.figures import Figures


@pytest.fixture(scope="session")
def figures() -> Figures:
    return Figures.read()


@pytest.fixture(scope="session")
def answers(figures: Figures) -> Answers:
    return ask(figures)

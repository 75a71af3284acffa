"""python -m services.ends.edge: be the edge."""

from services.ends.edge.app import app
from services.ends.edge.config import EdgeSettings
from services.kit.process import run

run("edge", EdgeSettings, app)

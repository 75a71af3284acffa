from services.identity.app import app
from services.identity.config import IdentitySettings
from services.kit.process import run

run("identity", IdentitySettings, app)

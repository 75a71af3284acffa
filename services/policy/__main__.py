from services.kit.process import run
from services.policy.app import app
from services.policy.config import PolicySettings

run("policy", PolicySettings, app)

from services.kit.process import run
from services.messaging.app import app
from services.messaging.config import MessagingSettings

run("messaging", MessagingSettings, app)

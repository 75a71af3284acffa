from services.billing.app import app
from services.billing.config import BillingSettings
from services.kit.process import run

run("billing", BillingSettings, app)

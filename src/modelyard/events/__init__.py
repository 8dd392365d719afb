"""What leaves a yard when something changes in it: rows for watchers, signed messages for webhooks. Both read the ledger from a cursor."""

from modelyard.events.report import Attempt, Report
from modelyard.events.sender import Answer
from modelyard.events.webhook import Delivery, Webhook

__all__ = ["Answer", "Attempt", "Delivery", "Report", "Webhook"]

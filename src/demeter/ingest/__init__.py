"""From a delivery to committed readings: named steps, explicit refusals, one batching writer."""

from demeter.ingest.model import Reason, Receipt, Refusal
from demeter.ingest.service import refusals
from demeter.ingest.steps import CredentialsOf
from demeter.ingest.store import RefusedDelivery
from demeter.ingest.writer import IngestWriter, Limits

__all__ = [
    "CredentialsOf",
    "IngestWriter",
    "Limits",
    "Reason",
    "Receipt",
    "Refusal",
    "RefusedDelivery",
    "refusals",
]

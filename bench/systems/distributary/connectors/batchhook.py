"""The webhook connector, 100 events at a time: what `connectors/webhook.py` would be with a batch."""

from dataclasses import replace

from bench.systems.base import BATCH
from connectors import webhook
from connectors.base import Batch

CONNECTOR = replace(
    webhook.CONNECTOR, name="batchhook", batch=Batch(max_events=BATCH, max_bytes=10_000_000), vectors=[]
)

"""What a world shows, and the only door through which methods see it.

Frozen dataclasses over numpy and Arrow columns that check themselves once, refuse instead of casting, and are
read-only: a catalog, an event log, the observation of both at a moment, requests and slates.
"""

from simulator.schema.catalog import Authors, Catalog, Kind, Notes, StoredTexts, Texts, Users, WithheldTexts
from simulator.schema.checks import SchemaError
from simulator.schema.events import (
    EVENT_COLUMNS,
    RESPONSES,
    EventLog,
    Follows,
    Observation,
    Response,
)
from simulator.schema.exchange import Requests, Slates

DAY_SECONDS = 86_400

__all__ = [
    "DAY_SECONDS",
    "EVENT_COLUMNS",
    "RESPONSES",
    "Authors",
    "Catalog",
    "EventLog",
    "Follows",
    "Kind",
    "Notes",
    "Observation",
    "Requests",
    "Response",
    "SchemaError",
    "Slates",
    "StoredTexts",
    "Texts",
    "Users",
    "WithheldTexts",
]

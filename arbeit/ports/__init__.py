"""What Arbeit needs of the world around it: tiny protocols, kept by backends."""

from __future__ import annotations

from arbeit.ports.blobs import Blob, BlobStore, BlobWriter
from arbeit.ports.relaying import EventSink, Lag, Leadership, Offsets, SinkFailure, Term
from arbeit.ports.signals import Limits, Signals, Wake
from arbeit.ports.store import (
    LIVE_LEASES,
    BlockingStore,
    Capabilities,
    Decide,
    Due,
    Dumping,
    Inspection,
    Job,
    Library,
    LocalStore,
    LookupKind,
    OutcomeUnknown,
    ReadsOf,
    Resident,
    RowRefused,
)
from arbeit.ports.vectors import Embedded, Embedder, EmbedderLike, Vectors
from arbeit.ports.world import Clock, SecretProvider
from arbeit.queries import PARTS, Overview, Page, Parts, Query, exists

# What callers of a store ask and get is declared in `queries`, and known by this package's name too.
__all__ = [
    "LIVE_LEASES",
    "PARTS",
    "Blob",
    "BlobStore",
    "BlobWriter",
    "BlockingStore",
    "Capabilities",
    "Clock",
    "Decide",
    "Due",
    "Dumping",
    "Embedded",
    "Embedder",
    "EmbedderLike",
    "EventSink",
    "Inspection",
    "Job",
    "Lag",
    "Leadership",
    "Library",
    "Limits",
    "LocalStore",
    "LookupKind",
    "Offsets",
    "OutcomeUnknown",
    "Overview",
    "Page",
    "Parts",
    "Query",
    "ReadsOf",
    "Resident",
    "RowRefused",
    "SecretProvider",
    "Signals",
    "SinkFailure",
    "Term",
    "Vectors",
    "Wake",
    "exists",
]

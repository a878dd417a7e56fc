"""The contract of a store, as tests: what every backend passes, ours and yours.

Subclass both classes in a test module of your own, and say how to open the store:

    from arbeit.compose import Wiring
    from arbeit.testing.contract import KEY, FaceContract, StoreContract

    class Opens:
        def open(self, tmp_path, clock):
            return Wiring(MyStore(tmp_path, clock), clock, KEY, {})

    class TestMyStore(Opens, StoreContract): ...
    class TestMyStoreThroughTheFaces(Opens, FaceContract): ...

What a store does not declare in its `capabilities` is skipped. pytest and anyio's pytest plugin (which comes with
anyio) run them.
"""

from __future__ import annotations

from arbeit.testing.contract.face import FaceContract
from arbeit.testing.contract.hubs import WiredHub, WiredSyncHub, awaited
from arbeit.testing.contract.opening import KEY, Opening
from arbeit.testing.contract.store import StoreContract

__all__ = ["KEY", "FaceContract", "Opening", "StoreContract", "WiredHub", "WiredSyncHub", "awaited"]

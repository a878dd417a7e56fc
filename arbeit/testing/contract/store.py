"""Everything that a store promises."""

from __future__ import annotations

from arbeit.testing.contract.finding import Finding
from arbeit.testing.contract.keeping import Keeping
from arbeit.testing.contract.leading import Leading
from arbeit.testing.contract.loading import Loading
from arbeit.testing.contract.reading import Reading
from arbeit.testing.contract.searching import Searching
from arbeit.testing.contract.transactions import Transactions
from arbeit.testing.contract.vectoring import Vectoring


class StoreContract(Transactions, Loading, Keeping, Reading, Finding, Searching, Leading, Vectoring):
    """The tests of a store: subclass it, and say in `open` how the store is opened."""

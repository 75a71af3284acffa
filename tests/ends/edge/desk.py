"""An edge process without its server: the parts that keep keys, on a real database."""

from __future__ import annotations

from uuid import uuid4

from services.ends.edge.accounts import Accounts
from services.ends.edge.domain import Sealed
from services.ends.edge.session_book import SealRequest, SessionBook
from services.ends.edge.store import Store
from services.ends.edge.vault import Vault
from services.kit.clock import ManualClock
from services.kit.database import Database
from services.kit.errors import Refusal
from tests.ends.fakes.identity import FakeIdentity
from tests.ends.handset import Handset

EDGE_ID = "00000000-0000-4000-8000-0000000000ed"


class Desk:
    """One process of an edge; `restart` makes another that stands on the same database."""

    def __init__(
        self,
        database: Database,
        identity: FakeIdentity,
        vault: Vault,
        clock: ManualClock,
        *,
        business_id: str = "",
        replica: str = "0",
    ) -> None:
        self.database = database
        self.identity = identity
        self.vault = vault
        self.clock = clock
        self.business_id = business_id or str(uuid4())
        self.store = Store(database, vault, replica)
        self.accounts = Accounts(self.store, identity, vault, clock)
        self.book = SessionBook(self.store, self.accounts, identity, vault, clock)

    async def begin(self) -> None:
        """The business calls for the first time."""
        await self.accounts.ensure(self.business_id)
        self.identity.edges[self.business_id].end_id = EDGE_ID

    def restart(self, *, replica: str = "0") -> Desk:
        """What a new process knows."""
        return Desk(
            self.database,
            self.identity,
            self.vault,
            self.clock,
            business_id=self.business_id,
            replica=replica,
        )

    def request(self, plaintext: bytes, *handsets: Handset) -> SealRequest:
        """A plaintext for the devices of one person."""
        return SealRequest(
            self.business_id,
            handsets[0].contact_id(self.business_id),
            tuple(handset.end_keys for handset in handsets),
            plaintext,
        )

    async def seal(self, plaintext: bytes, handset: Handset) -> Sealed:
        """One plaintext for one device; a refusal fails the test."""
        [sealed] = await self.book.seal([self.request(plaintext, handset)])
        assert not isinstance(sealed, Refusal), sealed
        [one] = sealed
        return one

    async def unconfirmed(self, handset: Handset) -> int:
        """What the database counts as unconfirmed with a device's live session."""
        [session] = await self.store.sealing_sessions([(self.business_id, handset.end_id)])
        return session.unconfirmed_count

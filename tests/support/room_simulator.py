# SPDX-License-Identifier: Apache-2.0
"""A whole room on disk, with sealed data, brokers and a runner, and knobs for attackers.

Nothing is replaced: tables are sealed, documents signed, evidence made and verified,
keys released, SQL run in a child process, results gated, sealed and countersigned by
the product. Only the clock stands still, and brokers and runner share this process,
so that a test can put an attacker between them:

    simulator = RoomSimulator(tmp_path)
    simulator.agree()
    query = simulator.approved(b"SELECT ward, count(*) AS n FROM hospital.stays GROUP BY ward")
    run = simulator.request(query)
    receipt = simulator.execute(run)                       # the runner
    simulator.brokers["hospital"] = Replaying(...)         # a knob: somebody else answers
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cleanroom import room as line
from cleanroom.cli.drafting import DraftOptions, write_draft
from cleanroom.contract import places
from cleanroom.contract.approval import Decision
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.document_render import render_run_request
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import Parameter, Query
from cleanroom.contract.resources import Resources
from cleanroom.contract.run_request import RunTerms
from cleanroom.contract.signing import SigningParty, publish_signed
from cleanroom.disclosure.result import ResultTable
from cleanroom.identity.pins import pin
from cleanroom.identity.profile import Profile
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.receipt.model import Receipt
from cleanroom.receipt.verify import VerifiedReceipt
from cleanroom.runner.brokers import Broker
from cleanroom.runner.execute import SCRATCH, Runner, execute
from cleanroom.runner.proposed import Proposal
from tests.support.brokers import CountedEntropy, TickingClock, broker_owner
from tests.support.keys import ThrowawayParty, pins_of, throwaway_party, write_profile

EXAMPLE = Path(__file__).parents[2] / "contracts" / "examples" / "health"
BY_EMAIL = {"email": "email-sha256"}
SMALL = Resources(memory_mib=512, seconds=60, rows=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table and the policy that its owner puts on it."""

    source: Path
    policy: Path
    normalisation: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


HEALTH = {
    "hospital": (
        Table(
            source=EXAMPLE / "data" / "stays.csv",
            policy=EXAMPLE / "policies" / "hospital.stays.toml",
            normalisation=BY_EMAIL,
        ),
    ),
    "insurer": (
        Table(
            source=EXAMPLE / "data" / "members.csv",
            policy=EXAMPLE / "policies" / "insurer.members.toml",
            normalisation=BY_EMAIL,
        ),
    ),
}


class RoomSimulator:
    """Parties, their homes and brokers, and one room between them.

    Attributes:
        room: The room's directory.
        parties: Parties with their keys, by name.
        profiles: Their profiles, by name.
        clock: The clock that brokers and runner share.
        brokers: What answers the runner as each owner's broker.
        scratch: Directory for rows that do not fit into a query's memory.
    """

    def __init__(
        self, directory: Path, *, tables: Mapping[str, tuple[Table, ...]] | None = None
    ) -> None:
        """Give every party a home and its tables; nothing is sealed or agreed yet."""
        self.directory = directory
        self.room = directory / "room"
        self.tables = HEALTH if tables is None else tables
        self.clock = TickingClock()
        self.parties: dict[str, ThrowawayParty] = {
            name: throwaway_party(name, broker_address=f"unix:{directory}/{name}.sock")
            for name in self.tables
        }
        self.profiles: dict[str, Profile] = {
            name: write_profile(directory / "homes", party) for name, party in self.parties.items()
        }
        self.brokers: dict[str, Broker] = {}
        self.scratch = SCRATCH
        self._open = ExitStack()

    def agree(self, **draft: Any) -> None:
        """Introduce the parties, seal their tables, sign one contract, open the brokers."""
        self.introduce()
        self.seal()
        self.sign(**draft)
        self.open_brokers()

    def introduce(self) -> None:
        """Publish every party's document and let everybody pin everybody."""
        for name, profile in self.profiles.items():
            line.publish_party(profile, self.room)
            for other, party in self.parties.items():
                if other != name:
                    pin(profile.pins_directory, party.document, confirmed=party.document.digest)

    def seal(self) -> None:
        """Seal every table as the next version of its dataset."""
        for name, tables in self.tables.items():
            for table in tables:
                line.seal(
                    self.profiles[name],
                    self.parties[name].unlocked,
                    source=table.source,
                    policy=table.policy,
                    room=self.room,
                    normalisation=table.normalisation,
                    types=table.types,
                    progress=lambda _done, _total: None,
                )

    def sign(self, **draft: Any) -> None:
        """Draft a contract that accepts this very installation as runner; all sign it."""
        # The least, so that tests run anywhere; the runner confines as well as it can.
        least = {"sandbox": SandboxLevel.PROCESS}
        options = {"name": "simulated", "platforms": ("simulated",), **least, **draft}
        drafted = write_draft(self.room, DraftOptions(**options), at=self.clock())
        for name, profile in self.profiles.items():
            line.sign_contract(
                profile, self.parties[name].unlocked.signer, self.room, digest=drafted.digest
            )

    def open_brokers(self) -> None:
        """Open every owner's broker in this process."""
        for name in self.profiles:
            self.open_broker(name)

    def open_broker(self, name: str) -> KeyBroker:
        """Open one broker, as starting its process does."""
        broker = KeyBroker.open(
            self.profiles[name].broker_home,
            owner=broker_owner(self.parties[name], pins_of(*self.parties.values())),
            clock=self.clock,
            entropy=CountedEntropy(label=name),
        )
        self._open.enter_context(broker)
        self.brokers[name] = broker
        return broker

    def close(self) -> None:
        """Close every broker that was opened."""
        self._open.close()

    def submit(
        self, code: bytes, *, name: str = "asked", by: str = "insurer", **changes: Any
    ) -> Query:
        """Submit a query; refused here if a policy does not admit it."""
        proposal = Proposal(
            **{
                "name": name,
                "code": code,
                "parameters": {},
                "receivers": frozenset({by}),
                "resources": SMALL,
                **changes,
            }
        )
        return line.submit_query(
            self.profiles[by], self.parties[by].unlocked.signer, room=self.room, proposal=proposal
        )

    def approve(self, query: Query, *, by: str, decision: Decision = Decision.APPROVE) -> None:
        """Let one party decide on a query."""
        line.approve_query(
            self.profiles[by],
            self.parties[by].unlocked.signer,
            room=self.room,
            query=query.name,
            digest=query.digest,
            decision=decision,
            reason="simulated",
            clock=self.clock,
        )

    def approved(self, code: bytes, **changes: Any) -> Query:
        """Submit a query and let every party approve it."""
        query = self.submit(code, **changes)
        for name in self.profiles:
            self.approve(query, by=name)
        return query

    def request(
        self, query: Query, *, run: str = "run-00000001", by: str = "insurer", **changes: Any
    ) -> str:
        """Sign a run request and put it into the room."""
        contract = line.verify_contract(self.room, pins_of(*self.parties.values())).contract
        terms = RunTerms(
            **{
                "run": run,
                "contract": contract.digest,
                "query": query.digest,
                "submitter": by,
                "receivers": query.receivers,
                "parameters": {},
                "expires": self.clock() + dt.timedelta(hours=1),
                **changes,
            }
        )
        party = SigningParty(
            document=self.parties[by].document, signer=self.parties[by].unlocked.signer
        )
        publish_signed(
            RoomDirectory(path=self.room),
            places.run_file(run),
            render_run_request(terms),
            kind="run",
            party=party,
        )
        return run

    def execute(self, run: str) -> Receipt:
        """Let a runner execute a run."""
        runner = Runner(
            room=RoomDirectory(path=self.room),
            clock=self.clock,
            report=lambda _stage: None,
            connect=lambda _approved: self.brokers,
            scratch=self.scratch,
        )
        return execute(run, runner=runner)

    def verify(self, run: str) -> VerifiedReceipt:
        """Verify the receipt of a run with the pins that every party holds."""
        return line.verify(
            self.room / places.receipt_file(run), trust=pins_of(*self.parties.values())
        )

    def result(self, run: str, *, by: str = "insurer") -> ResultTable:
        """Verify the receipt of a run and open its result as one receiver."""
        return line.open_result(
            self.profiles[by], self.parties[by].unlocked, self.verify(run), room=self.room
        )

    def answer(self, code: bytes, *, run: str = "run-00000001", **changes: Any) -> ResultTable:
        """Submit, approve, run, verify and open, for tests about what comes out."""
        values = changes.pop("values", {})
        query = self.approved(code, **changes)
        return self.result(self.execute_request(query, run=run, parameters=values))

    def execute_request(self, query: Query, *, run: str, **changes: Any) -> str:
        """Request and execute a run of an approved query."""
        self.execute(self.request(query, run=run, **changes))
        return run


def domain(name: str, kind: Any, *values: str | int) -> dict[str, Parameter]:
    """Declare one parameter with its whole domain."""
    return {name: Parameter(name=name, type=kind, values=values)}

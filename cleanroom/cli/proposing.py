# SPDX-License-Identifier: Apache-2.0
"""A query as its author types it, before admission has looked at it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cleanroom.cli.session import Session
from cleanroom.kernel.record import dataclass

if TYPE_CHECKING:
    from cleanroom.contract.query import Parameter, Query
    from cleanroom.contract.resources import Resources
    from cleanroom.identity.profile import Profile
    from cleanroom.identity.ssh_key import Signer
    from cleanroom.runner.proposed import AnalysisProposal, Proposal, Proposed

DEFAULT_MEMORY_MIB = 1024
DEFAULT_SECONDS = 300
DEFAULT_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalOptions:
    """What the options say about a query.

    Attributes:
        name: Its name in the room; empty means the file's.
        pairs: ``name=a,b`` for every parameter.
        receivers: Who may receive results; empty means the author alone.
        memory_mib: What one run may spend.
        seconds: Likewise.
        rows: Likewise.
        processor_seconds: Likewise; None leaves it to the seconds.
        result_mib: Likewise; None is the most that there can be.
        analysis: The file that says what a Python script hands over; of Python only.
    """

    name: str
    pairs: tuple[str, ...]
    receivers: tuple[str, ...]
    memory_mib: int
    seconds: int
    rows: int
    processor_seconds: int | None
    result_mib: int | None
    analysis: Path | None


def proposal_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that describe a query, as one ``options``."""

    @wraps(function)
    def command(**given: Any) -> None:  # noqa: ANN401 - whatever the command itself takes
        fields = {name: given.pop(name) for name in ProposalOptions.__dataclass_fields__}
        function(options=ProposalOptions(**fields), **given)

    for option in _OPTIONS:
        option(command)
    return command


_OPTIONS = (
    click.option(
        "--analysis",
        type=click.Path(path_type=Path),
        help="Of a .py file: the TOML file that says what it hands over.",
    ),
    click.option(
        "--result-mib", type=click.IntRange(1), help="Largest result, and frame that code returns."
    ),
    click.option(
        "--processor-seconds",
        type=click.IntRange(1),
        help="Most processor time of each process.",
    ),
    click.option("--rows", type=click.IntRange(1), default=DEFAULT_ROWS, help="Most result rows."),
    click.option("--seconds", type=click.IntRange(1), default=DEFAULT_SECONDS, help="Longest run."),
    click.option(
        "--memory-mib", type=click.IntRange(1), default=DEFAULT_MEMORY_MIB, help="Most memory."
    ),
    click.option("--receiver", "receivers", multiple=True, metavar="PARTY", help="May receive it."),
    click.option(
        "--param",
        "pairs",
        multiple=True,
        metavar="NAME=A,B,…",
        help="A parameter and every value that it may take.",
    ),
    click.option("--name", default="", help="Name in the room; the file's name if absent."),
)


def read_proposal(file: Path, options: ProposalOptions) -> Proposed:
    """Read the SQL or Python file and what the options say about it.

    Raises:
        UnavailableError: The file cannot be read.
        MalformedError: It is too large, or a name is none.
        click.BadParameter: A parameter is not of the form ``name=a,b``.
        click.UsageError: A Python file without its ``--analysis``, or the other way round.
    """
    from cleanroom.cli.domains import read_domains

    proposal = propose(
        file,
        name=options.name,
        parameters=read_domains(options.pairs),
        receivers=options.receivers,
        resources=_resources(options),
    )
    if (file.suffix == ".py") != (options.analysis is not None):
        raise click.UsageError("a .py file and --analysis FILE.toml belong together")
    return proposal if options.analysis is None else _analysis(proposal, options.analysis)


def _resources(options: ProposalOptions) -> Resources:
    from cleanroom.contract.resources import AS_QUERIED, Resources

    return Resources(
        memory_mib=options.memory_mib,
        seconds=options.seconds,
        rows=options.rows,
        processor_seconds=options.processor_seconds or AS_QUERIED.processor_seconds,
        result_mib=options.result_mib or AS_QUERIED.result_mib,
    )


def _analysis(script: Proposal, declared: Path) -> AnalysisProposal:
    from cleanroom.kernel.files import read_limited
    from cleanroom.kernel.limits import MAX_QUERY_BYTES
    from cleanroom.runner.analysis.declared import read_declared
    from cleanroom.runner.proposed import AnalysisProposal

    data = read_limited(declared, what=declared.name, limit=MAX_QUERY_BYTES)
    kind, datasets, analysis = read_declared(data, what=declared.name)
    return AnalysisProposal(
        name=script.name,
        code=script.code,
        kind=kind,
        datasets=datasets,
        analysis=analysis,
        parameters=script.parameters,
        receivers=script.receivers,
        resources=script.resources,
    )


def propose(
    file: Path,
    *,
    name: str = "",
    parameters: Mapping[str, Parameter],
    receivers: Collection[str],
    resources: Resources | None = None,
) -> Proposal:
    """Make a proposal of an SQL file; its name in the room is the file's unless given.

    Raises:
        UnavailableError: The file cannot be read.
        MalformedError: It is too large.
    """
    from cleanroom.contract.resources import Resources
    from cleanroom.kernel.files import read_limited
    from cleanroom.kernel.limits import MAX_CODE_BYTES
    from cleanroom.runner.proposed import Proposal

    return Proposal(
        name=name or file.stem.lower().replace("_", "-"),
        code=read_limited(file, what=file.name, limit=MAX_CODE_BYTES),
        parameters=parameters,
        receivers=frozenset(receivers),
        resources=resources
        or Resources(memory_mib=DEFAULT_MEMORY_MIB, seconds=DEFAULT_SECONDS, rows=DEFAULT_ROWS),
    )


def explain_first(session: Session, profile: Profile, room: Path, proposal: Proposed) -> None:
    """Tell an author what the query would read and release, before it is signed.

    Raises:
        AdmissionRefusedError: A policy does not admit it.
    """
    from cleanroom import room as line
    from cleanroom.identity.pins import load_pins
    from cleanroom.runner.proposal import explain_proposal

    if session.quiet or session.json:
        return
    agreement = line.verify_contract(room, load_pins(profile.pins_directory))
    session.note(explain_proposal(agreement, proposal).text)


def approve_own(profile: Profile, signer: Signer, room: Path, query: Query) -> bool:
    """Let an author who must approve the query do so by submitting it.

    Whoever submits a query has read it; asking the same person for a second
    command would add nothing. Tells whether an approval was signed.
    """
    from cleanroom import room as line
    from cleanroom.contract.approval import Decision
    from cleanroom.identity.pins import load_pins

    agreement = line.verify_contract(room, load_pins(profile.pins_directory))
    if profile.name not in agreement.contract.owners:
        return False
    line.approve_query(
        profile,
        signer,
        room=room,
        query=query.name,
        digest=query.digest,
        decision=Decision.APPROVE,
        reason="submitted by this party",
    )
    return True


def tell(session: Session, query: Query, *, approved: bool) -> None:
    """Print what was submitted, and what is still needed."""
    value = {
        "query": query.name,
        "digest": str(query.digest),
        "author": query.author,
        "receivers": sorted(query.receivers),
        "approved_by_author": approved,
        "output": [{"name": column.name, "type": column.type} for column in query.output],
    }
    session.emit(value, f"{query.name} {query.digest}")
    session.note(f"Each owner whose data it touches: cleanroom query approve {query.name}")

# SPDX-License-Identifier: Apache-2.0
"""The interface that every platform fills in, and what its evidence may claim.

A platform turns its own evidence into :class:`Claims`. Whether it was made for
this run is compared in :mod:`cleanroom.attestation.verifier`, and whether it is
good enough in :mod:`cleanroom.attestation.appraisal`, from the contract: no
platform can forget the one or be lenient about the other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A place in genuine evidence that the guest filled in freely.

    Attributes:
        place: Its name in the platform's own words, for example ``report_data``.
        channel: Which of our labelled digests belongs there.
        found: What it carries, all of it, padding included.
    """

    place: str
    channel: Channel
    found: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfReported:
    """The platform measured an image; that image's own code names the runner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undated:
    """Evidence without a clock of its own; exactly as fresh as the nonce it carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralFact:
    """One piece of verified collateral that was true at a time, and until when.

    Attributes:
        name: For example ``pck-crl``.
        digest: SHA-256 of its exact bytes.
        issued_at: When its maker signed it, as it says itself.
        expires_at: First moment at which it does not count any more.
    """

    name: str
    digest: Digest
    issued_at: dt.datetime
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check that held, for a reader.

    Attributes:
        name: What was checked, a few words.
        found: What was found, in words.
    """

    name: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What one genuine piece of evidence says; nothing is compared with a contract yet.

    Attributes:
        platform: Which kind of evidence it is.
        confidential: Whether that platform protects memory from its host.
        runner: Digest of the runner that the platform measured, or that it did not.
        carried: Every place that the guest filled in.
        debug: Whether its owner could look inside.
        issued_at: When it was made.
        facts: One value of each shape that the verifier declares, in that order.
        collateral: Dated collateral that it rests on.
        checks: What was checked, in order.
        details: Further facts for people, by name; nothing is decided by them.
    """

    platform: str
    confidential: bool
    runner: Digest | SelfReported
    carried: tuple[Carried, ...]
    debug: bool
    issued_at: dt.datetime | Undated
    facts: tuple[Facts, ...]
    collateral: tuple[CollateralFact, ...]
    checks: tuple[Check, ...]
    details: Mapping[str, str]


class PlatformVerifier(Protocol):
    """Tell whether one kind of evidence is genuine; pure.

    Roots are fields of the implementation, pinned by SHA-256 in the package's
    ``root`` module. Collateral travels in the evidence and is data, never trust.
    """

    @property
    def platform(self) -> str:
        """Name of the kind, as a contract writes it."""

    @property
    def confidential(self) -> bool:
        """Whether the platform protects memory from its host."""

    @property
    def carriers(self) -> Mapping[str, Channel]:
        """Place to channel, for every place that must carry this run's binding."""

    @property
    def nonce_place(self) -> str:
        """The place that a foreign verifier's nonce goes into."""

    @property
    def facts(self) -> tuple[type[Facts], ...]:
        """The shapes that every claim of this kind has, in order."""

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what genuine evidence claims, or raise.

        Raises:
            MalformedError: Not the format it claims to be.
            IntegrityError: A signature, pin or digest does not match.
            EvidenceRefusedError: Genuine, and out of its time or not acceptable ever.
            UnavailableError: An optional package that this kind needs is not installed.
        """


@runtime_checkable
class TokenVerifier(Protocol):
    """A verifier of tokens whose keys somebody must vouch for."""

    def trusting(self, *key_sets: TrustedKeySet) -> PlatformVerifier:
        """Return a verifier that also believes these key sets."""


class Intake(Protocol):
    """Make evidence of files as strangers have them."""

    def __call__(self, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
        """Return evidence: ``report`` in any of its usual encodings, ``files`` in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """One kind of evidence in plain words.

    Attributes:
        title: What it is, for example ``AMD SEV-SNP attestation report``.
        proves: What genuine evidence proves, one sentence each.
        does_not_prove: What readers often believe that it proves, and it does not.
        example: A command line that produces or shows such evidence with common tools.
    """

    title: str
    proves: tuple[str, ...]
    does_not_prove: tuple[str, ...]
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Everything that one package offers for one kind of evidence.

    Attributes:
        verifier: With the vendor's pinned roots.
        about: The kind in plain words.
        recognises: Tells whether bytes look like this kind; decides nothing.
        intake: Makes evidence of a stranger's files.
        collateral_requests: Lists what to fetch so that an item verifies offline.
    """

    verifier: PlatformVerifier
    about: About
    recognises: Callable[[bytes], bool]
    intake: Intake
    collateral_requests: Callable[[EvidenceItem], tuple[CollateralRequest, ...]]

    @property
    def name(self) -> str:
        """Name of the kind, as a contract writes it."""
        return self.verifier.platform


class Collector(Protocol):
    """Ask the machine one runs on for evidence; everything else was bound before."""

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks, one sentence each with path or service; empty if ready."""

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return evidence whose every carrier is derived from the 64 bytes.

        Raises:
            MalformedError: The binding is not 64 bytes, or the device answers nonsense.
            UnavailableError: A device or service is missing or does not answer.
        """

# SPDX-License-Identifier: Apache-2.0
"""Where the story takes place: a directory, two homes, a room, and whoever acts."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cleanroom.attestation.platforms.vtpm_software.process import require_program
from cleanroom.attestation.platforms.vtpm_software.root import PLATFORM as VTPM_SOFTWARE
from cleanroom.cli.demo.homes import Actor, Home
from cleanroom.cli.demo.narrator import Narrator
from cleanroom.kernel.record import dataclass

DATASETS = {
    "hospital": ("patients", "encounters"),
    "insurer": ("members", "claims"),
}
PERSON_KEY_RULE = {"person_key": "email-sha256"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The stage that every chapter plays on.

    Attributes:
        directory: Everything that the demo leaves behind lies below it.
        narrator: Tells the story.
        platform: Attestation platform that the contract names, alone.
    """

    directory: Path
    narrator: Narrator
    platform: str

    @property
    def room(self) -> Path:
        """The directory that both organisations share."""
        return self.directory / "room"

    @property
    def attacked(self) -> Path:
        """A copy of the room in which somebody has been at work."""
        return self.directory / "attacked"

    @property
    def data(self) -> Path:
        """The plain tables, as they lie at their owners'."""
        return self.directory / "data"

    @property
    def documents(self) -> Path:
        """Policies and queries, copied out so that a reader can look at them."""
        return self.directory / "documents"

    @property
    def homes(self) -> tuple[Home, Home]:
        """The two organisations."""
        return (
            Home(name="hospital", title="City Hospital", directory=self.directory / "hospital"),
            Home(name="insurer", title="Mutual Insurer", directory=self.directory / "insurer"),
        )

    def require_platform(self) -> None:
        """Say what is missing before anything is made.

        Raises:
            UnavailableError: The software TPM's program is not installed.
        """
        if self.platform == VTPM_SOFTWARE:
            require_program()

    def write_documents(self) -> None:
        """Copy the demo's policies and queries to where a person can read them."""
        self.documents.mkdir(parents=True, exist_ok=True)
        for document in (files("cleanroom.cli.demo") / "documents").iterdir():
            (self.documents / document.name).write_bytes(document.read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Both organisations with open keys."""

    hospital: Actor
    insurer: Actor

    @property
    def both(self) -> tuple[Actor, Actor]:
        """The two, in the order in which they act."""
        return (self.hospital, self.insurer)

# SPDX-License-Identifier: Apache-2.0
"""What to do about an error that does not say so itself.

Where an error is raised deep inside, often only what is wrong is known there. The class
tells everything else that a person needs: who can mend it, and whether trying again helps.
"""

from __future__ import annotations

from cleanroom.errors import (
    CleanroomError,
    EvidenceRefusedError,
    IntegrityError,
    MalformedError,
    RefusedError,
    UnavailableError,
)

_BY_CODE = {
    "toml.syntax": "mend it at the place named; a signed document is fetched again instead",
    "format.encoding": "save it as UTF-8; a signed document is fetched again instead",
    "format.oversize": "check that it is the file that was meant",
    "name.form": "names are lower case: cleanroom data list and cleanroom query list show them",
    "digest.format": "commands print digests whole: cleanroom contract show, cleanroom query list",
    "party.title": "give one line of at most 128 printable characters, without spaces around it",
}
_BY_CLASS: dict[type[CleanroomError], str] = {
    MalformedError: "check that it is the file that was meant, whole and unchanged; "
    "who made it has it still",
    IntegrityError: "it is not what was signed: fetch it again from whoever signed it, and find "
    "out who changed it",
    EvidenceRefusedError: "cleanroom contract show says which machines were agreed; cleanroom "
    "attest explain FILE what evidence proves",
    RefusedError: "what was agreed is in the signed documents: cleanroom contract show",
    UnavailableError: "cleanroom doctor names what is missing; then run the command again",
    CleanroomError: "cleanroom doctor names what is broken",
}


def next_step(error: CleanroomError) -> str:
    """Say what a reader can do: the error's own hint, else that of its code, else of its class."""
    by_class = next(_BY_CLASS[kind] for kind in type(error).__mro__ if kind in _BY_CLASS)
    return error.hint or _BY_CODE.get(error.code, by_class)

# SPDX-License-Identifier: Apache-2.0
"""The small file that says where a profile's signing key is, and the names of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.identity.homes import PROFILE_FILE, SIGNING_KEY_FILE
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_toml import parse_toml
from cleanroom.kernel.wire_model import WireModel, validate_shape

MAX_PROFILE_BYTES = 8 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningFile:
    """A profile that signs with a private key file."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningAgent:
    """A profile that signs with a key held by an ssh-agent."""

    public_key: SSHPublicKey


Signing: TypeAlias = SigningFile | SigningAgent


class _File(WireModel):
    kind: Literal["file"]
    path: str


class _Agent(WireModel):
    kind: Literal["agent"]
    key: str


class _Wire(WireModel):
    format: Literal["cleanroom.profile.v0"]
    name: str
    signing: Annotated[_File | _Agent, Field(discriminator="kind")]


def parse_profile_file(data: bytes, *, name: str, home: Path) -> Signing:
    """Read where the signing key is.

    Raises:
        MalformedError: Not a profile file.
        IntegrityError: It is another profile's.
    """
    what = PROFILE_FILE
    wire = validate_shape(_Wire, parse_toml(data, what=what, limit=MAX_PROFILE_BYTES), what=what)
    if wire.name != name:
        raise IntegrityError(f"{what}: not that of profile {name}", code="profile.name")
    if isinstance(wire.signing, _Agent):
        return SigningAgent(public_key=SSHPublicKey.parse(wire.signing.key, what=what))
    if wire.signing.path == SIGNING_KEY_FILE:
        return SigningFile(path=home / SIGNING_KEY_FILE)
    if not Path(wire.signing.path).is_absolute():
        raise MalformedError(f"{what}: the key's path is not absolute", code="profile.path")
    return SigningFile(path=Path(wire.signing.path))


def render_profile_file(name: str, signing: Signing, *, home: Path) -> bytes:
    """Write where the signing key is."""
    own = home / SIGNING_KEY_FILE
    if isinstance(signing, SigningAgent):
        lines = f'kind = "agent"\nkey = {json.dumps(signing.public_key.line())}\n'
    else:
        path = SIGNING_KEY_FILE if signing.path == own else str(signing.path)
        lines = f'kind = "file"\npath = {json.dumps(path, ensure_ascii=False)}\n'
    head = f'format = "cleanroom.profile.v0"\nname = "{name}"\n\n[signing]\n'
    return f"{head}{lines}".encode()

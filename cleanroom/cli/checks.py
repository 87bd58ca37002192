# SPDX-License-Identifier: Apache-2.0
"""The links of the chain that can break on one machine, each with its fix.

Every check answers for itself: one broken link must not hide the next. Nothing
is opened that needs a passphrase, and nothing is changed.
"""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from cleanroom.cli import machine_checks, room_checks
from cleanroom.cli.findings import Finding, State, Surroundings
from cleanroom.errors import CleanroomError
from cleanroom.identity.authorities import AUTHORITIES_FILE

CLOCK_TOLERANCE = dt.timedelta(seconds=30)


def examine(surroundings: Surroundings) -> list[Finding]:
    """Run every check, in the order in which things break for a newcomer."""
    findings: list[Finding] = []
    for link, check in CHECKS.items():
        try:
            findings.extend(check(surroundings))
        except CleanroomError as error:
            findings.append(
                Finding(link=link, state=State.BROKEN, found=error.message, fix=error.hint)
            )
    return findings


def _profiles(surroundings: Surroundings) -> Iterator[Finding]:
    from cleanroom.identity.homes import list_profiles

    names = list_profiles(surroundings.config)
    if not names:
        found, state = "none", State.BROKEN
    elif surroundings.profile and surroundings.profile not in names:
        found, state = f"no profile {surroundings.profile}", State.BROKEN
    else:
        found, state = ", ".join(names), State.HOLDS
    fix = "cleanroom init NAME --room ROOM" if state is State.BROKEN else ""
    yield Finding(link="profile", state=state, found=found, fix=fix)


def _key_files(surroundings: Surroundings) -> Iterator[Finding]:
    home = surroundings.config
    paths = [path for path in home.rglob("*") if _is_private(path, path.relative_to(home).parts)]
    loose = [path for path in paths if path.lstat().st_mode & 0o077]
    for path in loose:
        mode = stat.S_IMODE(path.lstat().st_mode)
        yield Finding(
            link="key files",
            state=State.BROKEN,
            found=f"{path.name} is open to others, mode {mode:04o}",
            fix=f"chmod go= {path}",
        )
    if paths and not loose:
        yield Finding(link="key files", state=State.HOLDS, found="closed to others")


def _is_private(path: Path, parts: tuple[str, ...]) -> bool:
    # A broker's log, public keys, authorities and mirrors of rooms (PROFILE/rooms, PROFILE/runner)
    # are for everybody; the directories around them are not.
    public = path.suffix == ".pub" or "log" in parts or parts[0] == AUTHORITIES_FILE
    public = public or parts[1:2] in {("rooms",), ("runner",)}
    return path.is_file() and not path.is_symlink() and not public


def _pins(surroundings: Surroundings) -> Iterator[Finding]:
    from cleanroom.identity.pins import load_pins
    from cleanroom.identity.profile import load_profile

    for name in _names(surroundings):
        profile = load_profile(surroundings.config, name)
        pinned = load_pins(profile.pins_directory).documents
        strangers = sorted(_published(surroundings.room) - set(pinned))
        yield Finding(
            link=f"pins of {name}",
            state=State.WARNING if strangers else State.HOLDS,
            found=f"not trusted yet: {', '.join(strangers)}" if strangers else ", ".join(pinned),
            fix=f"cleanroom party trust {surroundings.room}/parties/{strangers[0]}.toml"
            if strangers
            else "",
        )


def _published(room: Path) -> set[str]:
    return {path.stem for path in (room / "parties").glob("*.toml")}


def _names(surroundings: Surroundings) -> list[str]:
    from cleanroom.identity.homes import list_profiles

    names = list_profiles(surroundings.config)
    return [name for name in names if surroundings.profile in ("", name)]


def _room(surroundings: Surroundings) -> Iterator[Finding]:
    from cleanroom.contract.layout import RoomDirectory

    if not surroundings.room.is_dir():
        fix = "name the room with --room, or make one with cleanroom init"
        yield Finding(link="room", state=State.WARNING, found="no such directory", fix=fix)
    elif not (surroundings.room / "contract.toml").is_file():
        fix = "cleanroom contract new --template two-party --room ROOM"
        yield Finding(link="room", state=State.WARNING, found="no contract yet", fix=fix)
    else:
        RoomDirectory(path=surroundings.room).load_contract_bundle()
        yield Finding(link="room", state=State.HOLDS, found="contract and its documents are there")


def _brokers(surroundings: Surroundings) -> Iterator[Finding]:
    from cleanroom.identity.authorities import load_authorities

    own = _names(surroundings)
    authorities = load_authorities(surroundings.config)
    for name, address in room_checks.owners_brokers(surroundings).items():
        fix = (
            f"cleanroom broker serve --profile {name}"
            if name in own
            else f"ask {name} to serve its broker, and whether its address is reachable from here"
        )
        yield from _broker(name, address, authorities=authorities, now=surroundings.now, fix=fix)


def _broker(
    name: str, address: str, *, authorities: str, now: dt.datetime, fix: str
) -> Iterator[Finding]:
    from cleanroom.runner.broker_client import BrokerClient

    link = f"broker of {name}"
    try:
        with BrokerClient(address, authorities=authorities) as client:
            status = client.status()
    except CleanroomError as error:
        yield Finding(link=link, state=State.WARNING, found=error.message, fix=error.hint or fix)
        return
    yield Finding(link=link, state=State.HOLDS, found=f"answers, epoch {status.epoch[:8]}")
    if abs(status.time - now) > CLOCK_TOLERANCE:
        fix = "set the clock; expiry and freshness are judged by it"
        found = "differs from the broker's by more than 30 seconds"
        yield Finding(link="clock", state=State.BROKEN, found=found, fix=fix)


CHECKS: dict[str, Callable[[Surroundings], Iterator[Finding]]] = {
    "python": machine_checks.python,
    "dependencies": machine_checks.dependencies,
    "profile": _profiles,
    "key files": _key_files,
    "pins": _pins,
    "room": _room,
    "contract": room_checks.contracts,
    "data": room_checks.data,
    "queries": room_checks.queries,
    "broker": _brokers,
    "clock": machine_checks.clock,
    "sandbox": machine_checks.sandbox,
    "disk": machine_checks.disk,
}

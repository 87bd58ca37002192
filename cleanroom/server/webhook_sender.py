# SPDX-License-Identifier: Apache-2.0
"""Tell addresses of a room's events: signed, once at least, later each time they fail.

Whatever a receiver answers is thrown away, but for its status. It is followed nowhere.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.envelope.http_signature import (
    CONTENT_DIGEST,
    SIGNATURE,
    SIGNATURE_INPUT,
    content_digest,
    signature_base,
)
from cleanroom.errors import CleanroomError
from cleanroom.hub.events import Events, event_json
from cleanroom.hub.hub import Hub
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.hub.webhooks import Webhook
from cleanroom.identity.private_files import (
    make_private_directory,
    read_private_file,
    write_new_private_file,
)
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.server.public_address import Resolve, address_to_ask, system_resolve

KEY_FILE = "webhook.key"
TAG = "cleanroom-webhook"
COMPONENTS = ("@method", "@authority", "@path", "content-digest", "content-type")
DELIVERY_SECONDS = 10.0
LOOK_SECONDS = 1.0
_SEED_BYTES = 32
_LIFE_SECONDS = 300
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    name: str
    room: StoredRoom
    hook: Webhook
    events: Events


class WebhookSender:
    """Tells whoever is due; one thread at a time."""

    def __init__(
        self,
        hub: Hub,
        *,
        key: Ed25519PrivateKey,
        clock: Clock,
        resolve: Resolve = system_resolve,
        within: float = DELIVERY_SECONDS,
        authorities: str = "",
        told: Callable[..., None] = lambda **_: None,
    ) -> None:
        """Prepare to tell.

        Args:
            hub: Whose rooms.
            key: Signs for the hub.
            clock: The hub's clock.
            resolve: Looks hosts up.
            within: Seconds that one receiver may take in all.
            authorities: PEM certificates that may vouch for receivers; empty for the system's.
            told: Hears how many receivers took what they were told, and how many failed.
        """
        self._hub = hub
        self._told = told
        self._key = key
        self._clock = clock
        self._resolve = resolve
        self._within = within
        self._authorities = authorities

    def run(self, until: Flag) -> None:
        """Tell until the flag is set."""
        while not until.wait(LOOK_SECONDS):
            self.tell_due()

    def tell_due(self) -> None:
        """Tell everybody who is due once, all at the same time."""
        due = self._due()
        if due:
            taken = asyncio.run(self._tell_all(due))
            self._told(taken=taken, failed=len(due) - taken)

    def _due(self) -> list[_Due]:
        rooms = [(name, self._hub.room(name)) for name in self._hub.room_names()]
        return [
            _Due(name=name, room=room, hook=hook, events=events)
            for name, room in rooms
            if room is not None
            for hook, events in room.webhooks_due()
        ]

    async def _tell_all(self, due: Sequence[_Due]) -> int:
        return sum(await asyncio.gather(*(self._tell(item) for item in due)))

    async def _tell(self, due: _Due) -> bool:
        try:
            async with asyncio.timeout(self._within):
                taken = await self._post(due)
        except (TimeoutError, httpx2.HTTPError, OSError, CleanroomError):
            taken = False
        if not taken:
            due.room.webhook_failed(due.hook)
        elif due.events.events:
            due.room.webhook_took(due.hook, upto=due.events.events[-1].number)
        else:
            due.room.webhook_took(due.hook, upto=due.room.last_event())
        return taken

    async def _post(self, due: _Due) -> bool:
        url = urlsplit(due.hook.url)
        host = url.hostname or ""
        port = url.port or _PORTS[url.scheme]
        loop = asyncio.get_running_loop()
        address = await loop.run_in_executor(
            None,
            lambda: address_to_ask(host, port, private=due.hook.private, resolve=self._resolve),
        )
        body = delivery_body(due.name, due.events)
        fields = sign_delivery(due.hook.url, body, key=self._key, at=self._clock())
        literal = f"[{address}]" if ":" in str(address) else str(address)
        # The address that was judged is asked, whatever the name says by now.
        target = f"{url.scheme}://{literal}:{port}{url.path or '/'}"
        async with (
            httpx2.AsyncClient(
                verify=_trust(self._authorities), trust_env=False, follow_redirects=False
            ) as client,
            client.stream(
                "POST",
                target,
                content=body,
                headers=fields | {"host": url.netloc},
                extensions={"sni_hostname": host},
            ) as answer,
        ):
            return answer.is_success


@contextmanager
def telling(sender: WebhookSender) -> Iterator[None]:
    """Tell receivers in a thread while the block runs."""
    until = Flag()
    thread = Thread(target=sender.run, args=[until], name="webhooks")
    thread.start()
    try:
        yield
    finally:
        until.set()
        thread.join()


def open_webhook_key(home: Path) -> Ed25519PrivateKey:
    """Return the key with which a hub signs what it tells, made when it is first needed.

    Raises:
        RefusedError: Others can read it.
        UnavailableError: The disk refuses.
    """
    make_private_directory(home)
    path = home / KEY_FILE
    if not path.exists():
        write_new_private_file(path, secrets.token_bytes(_SEED_BYTES))
    return Ed25519PrivateKey.from_private_bytes(read_private_file(path, limit=_SEED_BYTES))


def key_name(key: Ed25519PrivateKey) -> str:
    """Return what signatures call the key: the SHA-256 of its 32 public bytes."""
    return str(Digest.of(key.public_key().public_bytes_raw()))


def delivery_body(room: str, events: Events) -> bytes:
    """Write what a receiver gets: the room, the events, and whether some were missed."""
    told = [event_json(event) for event in events.events]
    return canonical_json(
        {"format": "cleanroom.hub-events.v0", "room": room, "gap": events.gap, "events": told}
    )


def sign_delivery(
    url: str, body: bytes, *, key: Ed25519PrivateKey, at: dt.datetime
) -> dict[str, str]:
    """Return the header fields of a delivery, signed after RFC 9421.

    A receiver remembers numbers of events, so a delivery that is sent again, by the hub or
    by whoever recorded it, changes nothing; ``created`` and ``expires`` bound how long.
    """
    parts, created = urlsplit(url), int(at.timestamp())
    covered = " ".join(f'"{name}"' for name in COMPONENTS)
    nonce = secrets.token_urlsafe(16)
    params = (
        f"({covered});created={created};expires={created + _LIFE_SECONDS}"
        f';nonce="{nonce}";keyid="{key_name(key)}";tag="{TAG}"'
    )
    digest, kind = content_digest(body), "application/json"
    values = ("POST", _authority(url), parts.path or "/", digest, kind)
    base = signature_base(zip(COMPONENTS, values, strict=True), params)
    return {
        "content-type": kind,
        CONTENT_DIGEST: digest,
        SIGNATURE_INPUT: f"cleanroom={params}",
        SIGNATURE: f"cleanroom=:{encode_base64(key.sign(base))}:",
    }


def _authority(url: str) -> str:
    # RFC 9421 section 2.2.3: lower case, without the scheme's own port.
    parts = urlsplit(url)
    return parts.netloc.lower().removesuffix(f":{_PORTS[parts.scheme]}")


def _trust(authorities: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authorities or None)

# SPDX-License-Identifier: Apache-2.0
"""Pieces of files go to a hub as any object does, and every answer is heard."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.mirror.straight import FilePiece, StraightLines
from tests.support.host_certificates import host_certificate
from tests.support.raw_uploads import ENOUGH, HOSPITAL, half_written, hub_with, stored

DATA = os.urandom(OBJECT_BYTES + 3 * MIB + 7)
CUTS = [(0, OBJECT_BYTES), (OBJECT_BYTES, 3 * MIB + 7), (11, 1), (MIB - 1, 2)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


@pytest.fixture(params=["plain", "tls"])
def opened(request, tmp_path):
    """Give a hub, a client of it, and whether bodies go straight to the socket."""
    certificate = host_certificate(tmp_path / "tls") if request.param == "tls" else None
    files = None if certificate is None else certificate.files
    authorities = "" if certificate is None else certificate.authorities
    with (
        hub_with(tmp_path, ENOUGH, certificate=files) as (hub, _),
        hub.client(HOSPITAL, authorities=authorities) as client,
    ):
        yield hub, client


def piece_of(file, start, size):
    piece = FilePiece(path=file, start=start, size=size)
    return Digest.of(DATA[start : start + size]), piece


def test_every_piece_arrives(opened, file):
    hub, client = opened
    for start, size in CUTS:
        digest, piece = piece_of(file, start, size)
        client.put_piece(digest, piece)
        assert stored(hub, digest) == DATA[start : start + size]


def test_pieces_of_one_file_go_at_once(opened, file):
    hub, client = opened
    pieces = [piece_of(file, start, MIB) for start in range(0, OBJECT_BYTES, MIB // 2)]
    with ThreadPoolExecutor(6) as beside:
        list(beside.map(lambda each: client.put_piece(*each), pieces))
    assert all(Digest.of(stored(hub, digest)) == digest for digest, _ in pieces)


def test_a_refusal_is_heard_and_the_next_piece_arrives(opened, file):
    hub, client = opened
    digest, piece = piece_of(file, 0, OBJECT_BYTES)
    other = Digest.of(b"other")
    with pytest.raises(IntegrityError, match="^hub object: found") as refused:
        client.put_piece(other, piece)
    assert refused.value.code == "hub.object-digest"
    assert (stored(hub, other), half_written(hub)) == (None, [])
    client.put_piece(digest, piece)
    assert stored(hub, digest) == DATA[:OBJECT_BYTES]


@pytest.mark.parametrize("left", [None, 0, MIB])
def test_a_file_that_got_shorter_or_went_is_said_to_have(opened, file, left):
    hub, client = opened
    digest, piece = piece_of(file, 0, OBJECT_BYTES)
    if left is None:
        file.unlink()
    else:
        os.truncate(file, left)
    with pytest.raises(IntegrityError, match="^file: shorter") as refused:
        client.put_piece(digest, piece)
    assert refused.value.code == "mirror.file-changed"
    assert stored(hub, digest) is None
    file.write_bytes(DATA)
    client.put_piece(digest, piece)
    assert stored(hub, digest) == DATA[:OBJECT_BYTES]


def test_a_full_room_is_said_to_be_full(tmp_path, file):
    with hub_with(tmp_path, ENOUGH, quota=MIB) as (hub, _), hub.client(HOSPITAL) as client:
        with pytest.raises(UnavailableError) as refused:
            client.put_piece(*piece_of(file, 0, OBJECT_BYTES))
        assert refused.value.code == "hub.quota"
        client.put_piece(*piece_of(file, 0, 9))


def test_a_hub_that_was_restarted_is_found_again(tmp_path, file):
    with hub_with(tmp_path, ENOUGH) as (hub, _):
        client = hub.client(HOSPITAL)
        client.put_piece(*piece_of(file, 0, 9))
    with client:
        with pytest.raises(UnavailableError) as refused:
            client.put_piece(*piece_of(file, 1, 9))
        assert refused.value.code == "hub.unreachable"
        with hub_with(tmp_path, ENOUGH, address=hub.address) as (again, _):
            digest, piece = piece_of(file, 2, 9)
            client.put_piece(digest, piece)
            assert stored(again, digest) == DATA[2:11]


@contextmanager
def answering(answer):
    """Serve one request: its head is read, then the answer is sent, then the rest is read."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as beside:

        def serve():
            line, _ = listening.accept()
            with line, line.makefile("rb") as asked:
                while asked.readline() not in {b"\r\n", b""}:
                    continue
                line.sendall(answer)
                line.shutdown(socket.SHUT_WR)
                while asked.read(MIB):
                    continue

        serving = beside.submit(serve)
        yield listening.getsockname()[1]
        serving.result(timeout=60)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b"x" * 11, MalformedError),
        (b"SSH-2.0-OpenSSH\r\n\r\n", HTTPException),
        (b"", OSError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", HTTPException),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500 + b"\r\n", HTTPException),
    ],
    ids=["too large", "no http", "nothing", "cut", "endless"],
)
def test_what_is_no_answer_is_none(file, answer, kind):
    with answering(answer) as port:
        lines = StraightLines("127.0.0.1", port, seconds=60)
        with lines, pytest.raises(kind):
            lines.put("/", {"host": "hub"}, piece_of(file, 0, MIB)[1], limit=10)


def test_a_hub_that_refuses_early_is_heard(file):
    told = b"HTTP/1.1 503 Busy\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nbusy"
    with answering(told) as port, StraightLines("127.0.0.1", port, seconds=60) as lines:
        piece = piece_of(file, 0, OBJECT_BYTES)[1]
        answer = lines.put("/", {"host": "hub"}, piece, limit=10)
    assert (answer.status, answer.kind, answer.data) == (503, "text/plain", b"busy")

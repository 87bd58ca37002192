# SPDX-License-Identifier: Apache-2.0
"""Sealed parts as a room shows them, where anybody may have put something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cleanroom.cli.datasets import check_parts
from cleanroom.contract import places
from cleanroom.contract.dataset import parse_dataset
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from tests.support.room_documents import build_room

DATASET = parse_dataset(build_room().contract_bundle.datasets["hospital.patients"].data)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / places.dataset_directory(DATASET.lineage) / DATASET.parts[0].file
    path.parent.mkdir(parents=True)
    return path


def test_a_part_that_is_not_there_is_unavailable(tmp_path: Path, part: Path) -> None:
    assert not part.exists()
    with pytest.raises(UnavailableError, match=f"^{DATASET.parts[0].file}: cannot be opened"):
        check_parts(DATASET, tmp_path)


def test_other_bytes_in_the_place_of_a_part_are_named(tmp_path: Path, part: Path) -> None:
    part.write_bytes(b"something else")
    with pytest.raises(IntegrityError, match=f"^{DATASET.parts[0].file}: found"):
        check_parts(DATASET, tmp_path)


def test_a_pipe_or_device_in_the_place_of_a_part_keeps_nobody_waiting(
    tmp_path: Path, part: Path
) -> None:
    """T-18: nobody looks at a room for ever."""
    os.mkfifo(part)
    for _ in range(2):
        with pytest.raises(MalformedError) as refused:
            check_parts(DATASET, tmp_path)
        assert refused.value.code == "vault.format"
        part.unlink()
        part.symlink_to("/dev/zero")

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.dataset import Part, parse_dataset, part_file, schema_digest
from cleanroom.contract.document_render import render_dataset
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.documents import terms_of
from tests.support.room_documents import LINEAGES, standard_dataset

TERMS = standard_dataset("hospital.patients", policy=Digest.of(b"policy"))
VALID = render_dataset(TERMS).decode()


@pytest.mark.parametrize("lineage", LINEAGES)
def test_a_written_dataset_reads_as_the_same_terms(lineage):
    terms = standard_dataset(lineage, policy=Digest.of(b"policy"))
    assert terms_of(parse_dataset(render_dataset(terms))) == terms_of(terms)


def test_several_parts_read_in_order():
    parts = tuple(
        Part(
            file=part_file(7, index),
            digest=Digest.of(bytes([index])),
            size=index + 1,
            file_id=Digest.of(bytes([index])).hex[:32],
        )
        for index in range(3)
    )
    terms = dataclasses.replace(TERMS, version=7, parts=parts)
    assert parse_dataset(render_dataset(terms)).parts == parts


def test_the_schema_digest_depends_on_names_types_and_order():
    columns = [("a", "integer"), ("b", "string")]
    others = [columns[::-1], [("a", "string"), ("b", "string")], columns[:1]]
    assert len({schema_digest(other) for other in [columns, *others]}) == 4
    assert schema_digest(columns) == Digest.of(b'[["a","integer"],["b","string"]]')
    assert parse_dataset(VALID.encode()).schema == schema_digest(TERMS.columns)


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ('owner = "hospital"', 'owner = "insurer"', "owner"),
        ("version = 1\n", "version = 0\n", "version"),
        ('person_key = "email-sha256"', 'nothing = "email-sha256"', "normalisation: found 'nothi"),
        ('person_key = "email-sha256"', 'person_key = "rot13"', "normalisation.person_key"),
        ('name = "sex"', 'name = "surname"', "columns: found 'surname' twice"),
        ('name = "sex"', 'name = "Sex"', r"columns\[3\].name"),
        ('type = "integer"', 'type = "int"', r"columns\[4\].type"),
        ("bytes = 4096", "bytes = 0", r"parts\[1\].bytes"),
        ("parts/1-00000.part", "parts/1-00001.part", r"parts\[1\].file: found another name"),
        ("parts/1-00000.part", "parts/2-00000.part", r"parts\[1\].file: found another name"),
        ("parts/1-00000.part", "../../../etc/passwd", r"parts\[1\].file: found another name"),
        ("parts/1-00000.part", "/etc/passwd", r"parts\[1\].file: found another name"),
        ("parts/1-00000.part", "parts/1-00000.part\\u0000", r"parts\[1\].file: found another"),
    ],
)
def test_one_wrong_clause_is_refused_by_name(old, new, clause):
    assert VALID.count(old) >= 1
    with pytest.raises(MalformedError, match=f"^dataset.toml: {clause}"):
        parse_dataset(VALID.replace(old, new, 1).encode())

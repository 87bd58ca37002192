# SPDX-License-Identifier: Apache-2.0
"""What the services say about themselves is committed, and current."""

import pytest

from tests.support.openapi_documents import document, place


@pytest.mark.parametrize("name", ["broker", "hub"])
def test_the_committed_document_is_current(name):
    told = place(name).read_text("utf-8") == document(name)
    assert told, "write it anew: python -m tests.support.openapi_documents"

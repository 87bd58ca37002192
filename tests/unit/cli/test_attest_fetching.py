# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.attestation.collateral import CollateralCache, CollateralRequest
from cleanroom.attestation.platforms.simulated import KINDS
from cleanroom.cli.attest_fetching import fetch_collateral
from cleanroom.cli.attesting import Stranger
from cleanroom.cli.session import Session
from cleanroom.errors import UnavailableError
from tests.support.attested_runs import make_evidence, make_runtime

REQUEST = CollateralRequest(
    name="root", url="https://vendor.example/root", method="GET", headers={}, body=b""
)
OTHER = replace(REQUEST, url="https://vendor.example/other")
STRANGER = Stranger(
    kind=replace(
        KINDS[0],
        collateral_requests=lambda _: (REQUEST, OTHER),
        intake=lambda _report, _files: make_evidence(make_runtime()),
    ),
    item=make_evidence(make_runtime()),
)


class Vendor:
    """A local fake of vendors' services that remembers what it was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        if request.url not in self.answers:
            raise UnavailableError("collateral: the service answered 404", code="x")
        return self.answers[request.url]


def test_what_is_missing_is_fetched_once_and_found_again(tmp_path, capsys):
    vendor = Vendor({REQUEST.url: b"one", OTHER.url: b"two"})
    cache = tmp_path / "cache"
    fetch_collateral(Session(), STRANGER, cache=cache, dry_run=False, transport=vendor)
    assert vendor.asked == [REQUEST, OTHER]
    kept = CollateralCache(directory=cache)
    assert kept.load((REQUEST, OTHER)) == (b"one", b"two")
    assert kept.load((replace(REQUEST, body=b"x"),)) == ()
    assert "https://vendor.example/root -> root-" in capsys.readouterr().out


def test_a_dry_run_asks_nobody(tmp_path, capsys):
    vendor = Vendor({})
    cache = tmp_path / "cache"
    fetch_collateral(Session(json=True), STRANGER, cache=cache, dry_run=True, transport=vendor)
    assert vendor.asked == []
    assert not cache.exists()
    assert '"fetched": false' in capsys.readouterr().out


def test_what_answered_before_a_service_failed_is_kept(tmp_path):
    vendor = Vendor({REQUEST.url: b"one"})
    with pytest.raises(UnavailableError):
        fetch_collateral(Session(), STRANGER, cache=tmp_path / "c", dry_run=False, transport=vendor)
    assert CollateralCache(directory=tmp_path / "c").load((REQUEST, OTHER)) == (b"one",)

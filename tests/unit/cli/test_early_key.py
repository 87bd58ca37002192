# SPDX-License-Identifier: Apache-2.0
"""A key that is opened before anything is known is used only if it is the right one."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from cleanroom.cli.acting import opening_keys, opening_signer
from cleanroom.cli.early_key import opening_early, opening_given
from cleanroom.cli.passphrase import PassphraseSource
from cleanroom.cli.session import Session
from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.homes import SEEDS_FILE, SIGNING_KEY_FILE
from cleanroom.identity.profile import load_profile
from cleanroom.identity.profile_file import SigningFile
from tests.support.keys import PASSPHRASE, throwaway_party, write_profile

HOSPITAL = throwaway_party("hospital")
INSURER = throwaway_party("insurer")


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    place = tmp_path / "cleanroom"
    write_profile(place, HOSPITAL)
    return place


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "passphrase"
    file.write_bytes(PASSPHRASE + b"\n")
    file.chmod(0o600)
    return PassphraseSource(file=file, descriptor=None, signing_file=None)


def signed(profile, source, early):
    with opening_keys(profile, source, early=early) as keys:
        return keys.signer().public_key


def test_the_only_profile_s_key_signs(config, source):
    profile = load_profile(config, "hospital")
    with opening_early(Session(), source) as early:
        assert early.path == config / "hospital" / SIGNING_KEY_FILE
        assert signed(profile, source, early) in profile.party.signing_keys
    assert PASSPHRASE.decode() not in repr(early)


def test_nothing_is_opened_before_it_is_clear_whose(config, source):
    write_profile(config, INSURER)
    with opening_early(Session(), source) as early:
        assert early is None
    with opening_early(Session(profile="insurer"), source) as early:
        assert early.path == config / "insurer" / SIGNING_KEY_FILE
    for name in ("pharmacy", "../hospital", "hospital/../insurer"):
        with opening_early(Session(profile=name), source) as early:
            assert early is None


def test_a_profile_whose_key_lies_elsewhere_signs_with_that(config, source, tmp_path):
    profile = load_profile(config, "hospital")
    (config / "hospital" / SIGNING_KEY_FILE).rename(tmp_path / "elsewhere")
    with opening_early(Session(), source) as early:
        assert early is None
    elsewhere = replace(profile, signing=SigningFile(path=tmp_path / "elsewhere"))
    with opening_keys(elsewhere, source) as keys:
        assert keys.signer().public_key in profile.party.signing_keys


def test_a_key_of_another_profile_is_not_used(config, source):
    write_profile(config, INSURER)
    profile = load_profile(config, "hospital")
    with opening_early(Session(profile="insurer"), source) as early:
        assert signed(profile, source, early) in profile.party.signing_keys


def test_a_foreign_key_in_the_place_of_the_own_one_is_refused(config, source):
    write_profile(config, INSURER)
    foreign = (config / "insurer" / SIGNING_KEY_FILE).read_bytes()
    (config / "hospital" / SIGNING_KEY_FILE).write_bytes(foreign)
    profile = load_profile(config, "hospital")
    with (
        opening_early(Session(profile="hospital"), source) as early,
        pytest.raises(IntegrityError) as refused,
    ):
        signed(profile, source, early)
    assert refused.value.code == "profile.foreign-key"


def test_open_seeds_are_refused_before_anything_is_signed(config, source):
    profile = load_profile(config, "hospital")
    (config / "hospital" / SEEDS_FILE).chmod(0o644)
    with (
        opening_early(Session(), source) as early,
        pytest.raises(RefusedError),
        opening_keys(profile, source, early=early) as keys,
    ):
        keys.signer().sign(b"document")


def test_whoever_only_signs_uses_the_early_key(config, source):
    profile = load_profile(config, "hospital")
    with opening_given(Session(), source) as early:
        assert early.path == config / "hospital" / SIGNING_KEY_FILE
        early.signer.result()
        # What is used was opened before.
        early.path.unlink()
        with opening_signer(profile, source, early=early) as signer:
            assert signer.public_key in profile.party.signing_keys


def test_nobody_is_asked_before_it_is_known_what_is_signed(config, source):
    for later in (
        replace(source, file=None),
        replace(source, signing_file=source.file),
        replace(source, file=None, descriptor=None, signing_file=source.file),
    ):
        with opening_given(Session(), later) as early:
            assert early is None


def test_a_descriptor_is_read_once_even_if_the_key_lies_elsewhere(config, tmp_path):
    profile = load_profile(config, "hospital")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes((config / "hospital" / SIGNING_KEY_FILE).read_bytes())
    elsewhere.chmod(0o600)
    moved = replace(profile, signing=SigningFile(path=elsewhere))
    read, write = os.pipe()
    os.write(write, PASSPHRASE + b"\n")
    os.close(write)
    given = PassphraseSource(file=None, descriptor=read, signing_file=None)
    with (
        opening_given(Session(), given) as early,
        opening_signer(moved, given, early=early) as signer,
    ):
        assert signer.public_key in profile.party.signing_keys


@pytest.mark.parametrize("early", [True, False])
def test_whoever_only_signs_is_held_to_the_same_checks(config, source, early):
    write_profile(config, INSURER)
    profile = load_profile(config, "hospital")

    def refused():
        begun = opening_given(Session(profile="hospital"), source)
        with begun as key, opening_signer(profile, source, early=key if early else None) as signer:
            signer.sign(b"document")

    (config / "hospital" / SEEDS_FILE).chmod(0o644)
    with pytest.raises(RefusedError):
        refused()
    (config / "hospital" / SEEDS_FILE).chmod(0o600)
    foreign = (config / "insurer" / SIGNING_KEY_FILE).read_bytes()
    (config / "hospital" / SIGNING_KEY_FILE).write_bytes(foreign)
    with pytest.raises(IntegrityError) as raised:
        refused()
    assert raised.value.code == "profile.foreign-key"


def test_the_other_keys_wait_until_what_signs_has_signed(config, source):
    profile = load_profile(config, "hospital")
    with (
        opening_early(Session(), source) as early,
        opening_keys(profile, source, early=early) as keys,
    ):
        keys.signer().sign(b"document")
        whole = (config / "hospital" / SEEDS_FILE).read_bytes()
        (config / "hospital" / SEEDS_FILE).write_bytes(whole[: len(whole) // 2])
        keys.begin_seeds()
        with pytest.raises(MalformedError):
            keys.seeds()

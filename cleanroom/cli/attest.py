# SPDX-License-Identifier: Apache-2.0
"""Evidence: look at it, verify it, produce it, and say what a contract shall accept."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.session import Group, current

_path = click.Path(path_type=Path)
_kind = click.option("--kind", metavar="KIND", default="", help="What it is; see attest kinds.")
_collateral = click.option(
    "--collateral",
    "files",
    multiple=True,
    type=_path,
    help="Certificate, revocation list, manifest or log beside it; any number, any order.",
)
_at = click.option(
    "--at", "at", metavar="TIME", default="", help="Judge by this time; now if absent."
)


@click.group(cls=Group, name="attest")
def command() -> None:
    """Show, verify, explain and collect evidence; write and check attestation profiles."""


@command.command()
def kinds() -> None:
    """List every kind of evidence, and where a contract may name it."""
    from cleanroom.cli.attesting import list_kinds

    list_kinds(current())


@command.command()
@click.argument("file", type=_path)
@_kind
@_collateral
def show(*, file: Path, kind: str, files: tuple[Path, ...]) -> None:
    """Say what FILE is and what lies beside it, without believing any of it."""
    from cleanroom.cli.attesting import read_strangers, show_item

    show_item(current(), read_strangers(file, kind=kind, files=files))


@command.command()
@click.argument("file", type=_path, required=False)
@click.option("--evidence", type=_path, help="The same as FILE.")
@_kind
@_collateral
@click.option("--binding", metavar="HEX[@PLACE]", help="What was sent for it.")
@click.option("--accept-debug", is_flag=True, help="Look at it even if its host can look inside.")
@click.option("--cache", type=_path, help="Directory that attest fetch filled.")
@click.option(
    "--trust-keys", type=_path, help="Key set (JWKS) of a token service; you vouch for it."
)
@click.option("--issuer", default="", help="Whose key set it is: the iss of the tokens.")
@_at
def verify(
    *,
    file: Path | None,
    evidence: Path | None,
    kind: str,
    files: tuple[Path, ...],
    binding: str | None,
    accept_debug: bool,
    cache: Path | None,
    trust_keys: Path | None,
    issuer: str,
    at: str,
) -> None:
    """Verify FILE offline against the pinned roots, one line a check.

    Exit status: 0 genuine, 3 genuine but refused, 4 not of its format, 5 a signature
    or digest does not match, 6 something that is needed is not installed.
    """
    from cleanroom.cli.attest_verifying import Wishes, verify_all
    from cleanroom.cli.attesting import Given, chosen_file

    given = Given(
        file=chosen_file(file, evidence),
        kind=kind,
        files=files,
        cache=cache,
        trust_keys=trust_keys,
        issuer=issuer,
    )
    wishes = Wishes(binding=binding, accept_debug=accept_debug, at=at)
    verify_all(current(), given, wishes)


@command.command()
@click.argument("file", type=_path)
@_kind
@_collateral
@_at
def explain(*, file: Path, kind: str, files: tuple[Path, ...], at: str) -> None:
    """Say in plain words what FILE proves, and what it does not."""
    from cleanroom.cli.attesting import explain_item, read_strangers

    explain_item(current(), read_strangers(file, kind=kind, files=files), at=at)


@command.command()
@click.argument("file", type=_path)
@_kind
@_collateral
@click.option("--cache", type=_path, required=True, help="Directory that keeps the answers.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked, and ask nobody.")
def fetch(*, file: Path, kind: str, files: tuple[Path, ...], cache: Path, dry_run: bool) -> None:
    """Fetch the collateral that FILE needs into a directory; nothing else ever does."""
    from cleanroom.cli.attest_fetching import fetch_collateral
    from cleanroom.cli.attesting import read_strangers

    fetch_collateral(
        current(), read_strangers(file, kind=kind, files=files), cache=cache, dry_run=dry_run
    )


@command.command()
@click.argument("receipt", type=_path)
@click.option(
    "--against", "profile", type=_path, required=True, help="A profile, or a contract with one."
)
@click.option("--sign", "key", type=_path, help="Ed25519 key (PEM): print the verdict as JWT.")
@_at
def appraise(*, receipt: Path, profile: Path, key: Path | None, at: str) -> None:
    """Judge the evidence in RECEIPT by a profile, as a broker would at that time.

    The verdict has the shape of EAR, for relying parties of other makes. Whether the
    receipt itself holds is what `cleanroom verify` says.
    """
    from cleanroom.cli.attest_appraising import appraise_receipt

    appraise_receipt(current(), receipt, profile=profile, at=at, key=key)


@command.command()
@click.option("--kind", required=True, metavar="KIND", help="Which device to ask.")
@click.option("--binding", required=True, metavar="HEX", help="64 bytes to bind it to.")
@click.option("--out", type=_path, required=True, help="Where the evidence is written.")
def collect(*, kind: str, binding: str, out: Path) -> None:
    """Ask this machine for evidence, or say exactly what it lacks."""
    from cleanroom.cli.attest_collecting import collect_evidence

    collect_evidence(current(), kind=kind, binding=binding, out=out)


@command.command()
@click.option(
    "--chain", type=_path, required=True, help="PEM: the maker's certificates, the root last."
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    required=True,
    metavar="SHA256",
    help="Fingerprint of a root that you checked with the maker.",
)
@click.option(
    "--tpm",
    type=_path,
    default=Path("/dev/tpmrm0"),
    show_default=True,
    help="Its device, or a software TPM's socket.",
)
@_at
def enrol(*, chain: Path, roots: tuple[str, ...], tpm: Path, at: str) -> None:
    """Print by which digest a contract names this machine's TPM, after testing it.

    The maker's certificate vouches for the TPM, and the TPM shows that the attestation
    key is in it. That convinces whoever runs this command, and nobody else.
    """
    from cleanroom.cli.attest_enrolling import enrol_machine

    enrol_machine(current(), chain=chain, roots=roots, tpm=tpm, at=at)


@command.group(cls=Group)
def profile() -> None:
    """Attestation profiles: the clause of a contract that says which machine may get keys."""


@profile.command(name="new")
@click.option("--platform", "platforms", multiple=True, required=True, help="Once a platform.")
@click.option("--gpus", type=int, default=0, help="How many GPUs the machine has.")
def new_profile(*, platforms: tuple[str, ...], gpus: int) -> None:
    """Write a strict draft on stdout that accepts nothing until it is filled in."""
    from cleanroom.cli.attest_profiles import draft_profile

    draft_profile(current(), platforms, gpus=gpus)


@profile.command(name="lint")
@click.argument("file", type=_path)
def lint_profile(file: Path) -> None:
    """Check FILE, a profile or a contract, and name what is empty, open or waived."""
    from cleanroom.cli.attest_profiles import lint_file

    lint_file(current(), file)


@profile.command(name="export")
@click.argument("file", type=_path)
@click.option(
    "--to",
    "target",
    type=click.Choice(("trustee-rego", "azure-key-vault", "gcp-condition", "aws-kms")),
    required=True,
    help="Which service.",
)
@click.option("--authority", default="", help="Azure: address of the attestation service.")
def export_profile(*, file: Path, target: str, authority: str) -> None:
    """Write FILE as a policy of another key service; says what that cannot express."""
    from cleanroom.cli.attest_profiles import export_file

    export_file(current(), file, target=target, authority=authority)

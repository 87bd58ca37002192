# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - a program beside its recipe
"""Build the Python part of a runner's image as an OCI layout, without a container engine.

The same sources and the same locked wheels give the same bytes on every machine and path:
entries are sorted, belong to root, have one time and one of two modes, and nothing is run.
What is not in it is said by README.md beside this file.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = "opt/cleanroom/site-packages"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SKIPPED = frozenset({"scripts", "headers", "data"})  # of a wheel's .data directory
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def main() -> int:
    """Build, and print the digests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--wheels", type=Path, required=True, help="where wheels are, or go")
    parser.add_argument("--source", type=Path, default=ROOT, help="tree with cleanroom/")
    parser.add_argument("--base", type=Path, help="a layer below: a tar of a root file system")
    parser.add_argument("--output", type=Path, required=True, help="directory to make")
    arguments = parser.parse_args()
    allowed = frozenset(_HASH.findall(arguments.lock.read_text("utf-8")))
    fetch(arguments.lock, arguments.wheels)
    layers = [arguments.base.read_bytes()] if arguments.base else []
    layers += [layer(wheel_files(arguments.wheels, allowed)), layer(own_files(arguments.source))]
    arguments.output.mkdir(parents=True)
    manifest = write_layout(arguments.output, layers)
    told = {
        "image": f"sha256:{manifest}",
        "layers": [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers],
        "lock": f"sha256:{hashlib.sha256(arguments.lock.read_bytes()).hexdigest()}",
        "base": "absent" if arguments.base is None else "as given",
    }
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0


def fetch(lock: Path, wheels: Path) -> None:
    """Bring the wheels of a lock, unless there are some; pip compares their digests."""
    if wheels.is_dir() and any(wheels.glob("*.whl")):
        return
    wheels.mkdir(parents=True, exist_ok=True)
    command = ("download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes")
    where = ("--dest", str(wheels), "--requirement", str(lock))
    subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *command, *where], check=True
    )


def wheel_files(wheels: Path, allowed: frozenset[str]) -> Mapping[str, bytes]:
    """Return what wheels install, each wheel being one that the lock names."""
    found: dict[str, bytes] = {}
    for path in sorted(wheels.glob("*.whl")):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() not in allowed:
            raise SystemExit(f"{path.name}: not the wheel that the lock names")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                place = installed_as(name)
                if place and not name.endswith("/"):
                    found[f"{SITE}/{place}"] = archive.read(name)
    return found


def installed_as(name: str) -> str:
    """Return where a wheel's file goes below site-packages; empty for what is left out."""
    parts = name.split("/")
    if ".." in parts or name.startswith("/"):
        raise SystemExit(f"{name}: outside of the wheel")
    if not parts[0].endswith(".data"):
        return name
    return "" if parts[1] in _SKIPPED else "/".join(parts[2:])


def own_files(source: Path) -> Mapping[str, bytes]:
    """Return our own package and its templates, as an installed wheel has them."""
    package = {
        str(path.relative_to(source)): path.read_bytes()
        for path in (source / "cleanroom").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    templates = {
        f"cleanroom/templates/{path.name}": path.read_bytes()
        for path in (source / "contracts" / "templates").iterdir()
    }
    return {f"{SITE}/{place}": data for place, data in (package | templates).items()}


def layer(files: Mapping[str, bytes]) -> bytes:
    """Write files as a tar that depends on their names and bytes alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for directory in sorted({str(up) for name in files for up in _parents(name)}):
            archive.addfile(_entry(directory, tarfile.DIRTYPE, mode=0o755))
        for name in sorted(files):
            mode = 0o755 if name.endswith(".so") else 0o644
            entry = _entry(name, tarfile.REGTYPE, mode=mode, size=len(files[name]))
            archive.addfile(entry, io.BytesIO(files[name]))
    return out.getvalue()


def write_layout(output: Path, layers: list[bytes]) -> str:
    """Write an OCI image layout (image-spec 1.1) of layers; return the manifest's digest."""
    digests = [_blob(output, data) for data in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": "65534:65534",
            "Env": [f"PYTHONPATH=/{SITE}", "PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8"],
            "Entrypoint": ["/usr/bin/python3", "-m", "cleanroom.cli"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    data = _json(config)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": _CONFIG,
                "digest": f"sha256:{_blob(output, data)}",
                "size": len(data),
            },
            "layers": [
                {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": len(part)}
                for digest, part in zip(digests, layers, strict=True)
            ],
        }
    )
    digest = _blob(output, manifest)
    (output / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    listed = {"mediaType": _MANIFEST, "digest": f"sha256:{digest}", "size": len(manifest)}
    (output / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [listed]}))
    return digest


def _blob(output: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    blobs = output / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(data)
    return digest


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _parents(name: str) -> Iterator[Path]:
    return (up for up in Path(name).parents if str(up) != ".")


def _entry(name: str, kind: bytes, *, mode: int, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.mtime = kind, mode, size, 0
    return entry


if __name__ == "__main__":
    sys.exit(main())

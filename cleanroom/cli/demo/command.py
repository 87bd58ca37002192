# SPDX-License-Identifier: Apache-2.0
"""The demo: two organisations, the real path, four attempts that fail."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cleanroom.cli.session import Command, current

SIMULATED = "SIMULATED: no hardware protects this run; everything else is the real path"
BANNERS = {
    "simulated": SIMULATED,
    "vtpm-software": "SOFTWARE TPM: real quotes, and no hardware protects this run",
}


@click.command(cls=Command, name="demo")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("cleanroom-demo"),
    show_default=True,
    help="Where to leave everything for you to look at.",
)
@click.option("--seed", type=int, default=2026, show_default=True, help="Which people to invent.")
@click.option(
    "--platform",
    type=click.Choice(tuple(BANNERS)),
    default="simulated",
    show_default=True,
    help="What the runner attests with; vtpm-software needs swtpm.",
)
@click.option(
    "--distributed",
    is_flag=True,
    help="Through a hub and a runner's queue, over TLS, each in a process and home of its own.",
)
def command(directory: Path, seed: int, platform: str, *, distributed: bool) -> None:
    """Run two organisations end to end on this machine.

    A hospital and an insurer seal their tables, sign a contract, approve a query and
    run it, through the same code as between two companies. Then four attacks fail.
    """
    from cleanroom.cli.demo.distributed import play_distributed
    from cleanroom.cli.demo.narrator import Narrator
    from cleanroom.cli.demo.play import play
    from cleanroom.cli.demo.scene import Scene

    session = current()
    narrator = Narrator(session)
    started = time.monotonic()
    narrator.loud(BANNERS[platform])
    scene = Scene(directory=directory.absolute(), narrator=narrator, platform=platform)
    ending = (play_distributed if distributed else play)(scene, seed=seed)
    seconds = round(time.monotonic() - started, 1)
    told = {"banner": BANNERS[platform], "seconds": seconds, "chapters": narrator.chapters}
    session.emit({**told, **ending.describe()}, f"\n{ending.text()}\n\nDone in {seconds} seconds.")
    narrator.loud(BANNERS[platform])

# SPDX-License-Identifier: Apache-2.0
"""Score a corpus of queries against both gates.

``python -m bench.gate CORPUS.jsonl --data DIR --out VERDICTS.jsonl [--oracle]`` from the
repository root. ``DIR`` is what the corpus' data generator wrote: ``room.duckdb`` and
``policy.json``. One line a query goes to the verdicts, the summary to standard output. The exit
code is 1 if an answer was unsafe.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench.gate.ask import ask_all  # noqa: E402
from bench.gate.corpus import Item, read_corpus  # noqa: E402
from bench.gate.influence import findings  # noqa: E402
from bench.gate.judge import Judged, Verdict, failures, judge, shown, summary  # noqa: E402
from bench.gate.room import Room, open_room  # noqa: E402


def score(series: Sequence[Item], room: Room, *, oracle: bool) -> Iterator[Judged]:
    """Judge every step of one series."""
    room.show()
    answers = ask_all(series, room)
    least = min(
        policy.threshold for policy, _ in room.catalog.datasets.values() if policy.threshold
    )
    anything = any(answer.rows for answer in answers)
    found = findings(series, room, k=least) if oracle and anything else [] if oracle else None
    for step, (item, answer) in enumerate(zip(series, answers, strict=True)):
        mine = None if found is None else [one for one in found if one.step == step]
        yield judge(item, answer, found=mine, last=step == len(series) - 1)


def main() -> int:
    """Score one or more corpora and print what is not as they say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--oracle", action="store_true", help="leave every unit out in turn")
    options = parser.parse_args()
    judged: list[Judged] = []
    with open_room(options.data) as room, options.out.open("w", encoding="utf-8") as out:
        for path in options.corpus:
            for series in read_corpus(path):
                for one in score(series, room, oracle=options.oracle):
                    judged.append(one)
                    out.write(json.dumps(one.line()) + "\n")
                    out.flush()
    totals = summary(judged)
    for one in failures(judged):
        print(f"{one.verdict:9} {one.item.id:20} {one.answer.code} {one.answer.place}")
    print(shown(totals.pop("verdicts")))
    print(json.dumps(totals))
    return int(any(one.verdict is Verdict.UNSAFE for one in judged))


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""A process that judges many mutated frames of an analysis; its arguments are seed and count."""

import collections
import json
import os
import sys
from contextlib import ExitStack

import pyarrow as pa

from cleanroom.runner.analysis.frames import encode_rounds
from cleanroom.runner.analysis.frames_child import Refused, clean_frame
from cleanroom.runner.sandbox.memfd import sealed_memory
from tests.support.confined.mutated_tables import Mutator
from tests.support.crossing_tables import written
from tests.support.frames import ANALYSIS, GOOD, MEMBERS


def outcome(data):
    request = json.loads(encode_rounds([], ANALYSIS))
    with ExitStack() as held:
        files = [
            held.enter_context(sealed_memory("x", lambda file, data=data: file.write(data)))
            for data in (MEMBERS, data)
        ]
        request["rounds"] = [{"members": files[:1], "frames": files[1:]}]
        try:
            clean_frame(request).validate(full=True)
        except Refused as refused:
            return refused.word
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            return "crossing.malformed"  # the process ends without a word, which means this
    return "accepted"


if __name__ == "__main__":
    mutator = Mutator(int(sys.argv[1]))
    whole = written(GOOD)
    found = collections.Counter(outcome(mutator.mutated(whole)) for _ in range(int(sys.argv[2])))
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)

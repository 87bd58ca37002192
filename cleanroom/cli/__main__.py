# SPDX-License-Identifier: Apache-2.0
"""Run the command line as ``python -m cleanroom.cli``."""

from __future__ import annotations

from cleanroom.cli.main import main

if __name__ == "__main__":
    main()

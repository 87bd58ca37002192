# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI documents of the services, as they are committed.

``python -m tests.support.openapi_documents`` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from fastapi import FastAPI

from cleanroom.hub.hub import Hub
from cleanroom.server.answers import Answers
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.callers import LocalDoor
from cleanroom.server.described import BROKER, HUB
from cleanroom.server.hub_app import make_hub_app
from cleanroom.server.openapi import openapi_of
from tests.support.source_tree import ROOT

NOBODY = cast("object", None)


def application(name: str) -> FastAPI:
    """Return a service's application; nobody answers behind it."""
    if name == "hub":
        return make_hub_app(cast("Hub", NOBODY), door=LocalDoor())
    return make_broker_app(cast("Answers", NOBODY), door=LocalDoor())


def document(name: str) -> str:
    """Return the text of a service's document."""
    described = HUB if name == "hub" else BROKER
    return json.dumps(openapi_of(application(name), described), indent=1, sort_keys=True) + "\n"


def place(name: str) -> Path:
    """Return where the document of a service is committed."""
    return ROOT / "contracts" / "http" / f"{name}.openapi.json"


if __name__ == "__main__":
    for service in ("broker", "hub"):
        place(service).parent.mkdir(exist_ok=True)
        place(service).write_text(document(service), encoding="utf-8")

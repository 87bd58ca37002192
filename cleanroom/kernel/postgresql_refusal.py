# SPDX-License-Identifier: Apache-2.0
"""Why a PostgreSQL server was not reached, in our own words.

The driver tells apart what an owner mends in different ways, but only in its text, which
repeats the address. Nothing of the text is told; words that are not known, or in another
language, leave the caller with its general error.
"""

from __future__ import annotations

from cleanroom.errors import UnavailableError

# What the client library (libpq) and the server say; first match.
_CAUSES = (
    (
        ("certificate verify failed",),
        "certificate",
        "a server whose certificate none of the named authorities vouches for",
        (
            "name the authority of the server with sslrootcert=FILE; if it is the right one, "
            "somebody else answers there"
        ),
    ),
    (
        ("does not match host name",),
        "name",
        "a server whose certificate is for another name",
        "write the host as the certificate names it; if it is so, somebody else answers there",
    ),
    (
        ("does not support SSL", "no encryption"),
        "plain",
        "a server without TLS",
        "turn it on at the server (ssl = on, hostssl in pg_hba.conf); nothing was sent",
    ),
    (
        ("root certificate file",),
        "authorities",
        "no file of authorities",
        "write the path of sslrootcert anew, or sslrootcert=system for those of this machine",
    ),
    (
        ("password authentication failed", "no password supplied"),
        "login",
        "a server that does not accept the password",
        (
            "compare user and password with the server's; they lie in the private file of the "
            "address, or in the one that passfile or PGPASSFILE names"
        ),
    ),
)


def refusal_to_connect(
    error: BaseException | None, *, subject: str, area: str
) -> UnavailableError | None:
    """Return the error for what a driver said while connecting; nothing if it says no more.

    Args:
        error: The driver's; its text is read, and not repeated.
        subject: What the error speaks of.
        area: What its code begins with.
    """
    words = str(error)
    for known, name, found, hint in _CAUSES:
        if any(phrase in words for phrase in known):
            message = (
                f"{subject}: {found}, a server that proves itself by TLS and lets us in agreed"
            )
            return UnavailableError(message, code=f"{area}-{name}", hint=hint)
    return None

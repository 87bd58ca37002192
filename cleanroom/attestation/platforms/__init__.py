# SPDX-License-Identifier: Apache-2.0
"""One package a platform. This is what each of them provides.

``root``      The vendor's pins: SHA-256 of DER, as ``Digest`` constants in code.
``parse``     Bytes to a frozen dataclass: strict, bounded, raising ``MalformedError`` only.
``verify``    A frozen dataclass that fulfils ``PlatformVerifier``. Its fields are the pins,
              so that tests can use their own. ``verify(item, at=...)`` is pure. It does NOT
              compare the binding: it returns every place that a guest fills in, whole, as
              ``Carried(place, channel, found)``; ``attestation.verifier`` compares them all.
              ``carriers`` declares the same places; a place that our protocol leaves alone
              is ``Channel.FREE`` and not declared. Channels are those of ATTESTATION 2.9:
              ``REPORT`` 64 bytes (report_data, Azure user-data, Nitro user_data), ``TPM``
              32 bytes (extraData), ``GPU`` 32 bytes (SPDM nonce), ``TOKEN`` the base64url
              text of 32 bytes (eat_nonce). Debug, old versions and the like are claims,
              not refusals, unless nobody may ever accept them.
``claims``    A verified report to ``Claims``: ``facts`` holds exactly one value of each
              shape of ``attestation.facts`` that the verifier's ``facts`` declares, in that
              order. ``checks`` has one ``Check(name, found)`` a check that held. ``runner``
              is a ``Digest`` only if the platform itself measured the runner (a runtime
              log, an image digest), else ``SelfReported()``. ``issued_at`` is ``Undated()``
              unless signed evidence holds a time. ``collateral`` lists what expires.
``collect``   A frozen dataclass that fulfils ``Collector``. File system root, ioctl and HTTP
              transport are fields, so that tests use faithful fakes. ``missing()`` says
              exactly what the machine lacks; ``collect`` raises ``UnavailableError`` with it.
``kind``      ``KINDS``: one ``Kind`` for each kind of the package: verifier, ``About`` in plain
              words, ``recognises``, ``intake`` (a stranger's files in any usual encoding and
              order to an ``EvidenceItem``) and ``collateral_requests`` (what to fetch).

The package's ``__init__`` exports ``KINDS``, and ``attestation.registry`` lists it in one
line. Names of kinds: ``snp``, ``snp-azure-vtpm``, ``tdx``, ``tdx-azure-vtpm``, ``sgx-dcap``,
``tpm``, ``vtpm-software``, ``nvidia-gpu``, ``nvidia-switch``, ``nras-eat``, ``nitro``,
``nitro-tpm``, ``maa-jwt``, ``gcp-cs-jwt``, ``simulated``. Optional packages (``dcap-qvl``,
``cbor2``) are imported inside the function that needs them; without one it raises
``UnavailableError`` that names the extra. Chains go through ``attestation.certificates``.
"""

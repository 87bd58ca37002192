# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's management library without a GPU, as its Python binding shows it."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

from tests.support.nvidia_forge import chain_pem, device_chain, make_report


class Driver:
    """NVML as the binding shows it: buffers of fixed size, and lengths beside them."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, fails=(), count=1, size=None, **state):
        self.fails = fails
        self.count = count
        self.size = size
        self.state = {"environment": 2, "ccFeature": 1, "devToolsMode": 0} | state
        self.open = 0
        self.ready = None

    def _called(self, name):
        if name in self.fails:
            raise self.NVMLError
        assert self.open or name == "init"

    def nvmlInit(self):  # noqa: N802
        self._called("init")
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        self._called("count")
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        self._called("handle")
        if index >= self.count:
            raise self.NVMLError
        return index

    def nvmlSystemGetConfComputeState(self):  # noqa: N802
        self._called("state")
        return SimpleNamespace(**self.state)

    def nvmlDeviceGetConfComputeGpuCertificate(self, _handle):  # noqa: N802
        self._called("certificate")
        pem = chain_pem(device_chain()) + b"\0"
        return SimpleNamespace(
            attestationCertChain=(ctypes.c_uint8 * 0x1400)(*pem), attestationCertChainSize=len(pem)
        )

    def nvmlDeviceGetConfComputeGpuAttestationReport(self, _handle, nonce):  # noqa: N802
        self._called("report")
        report = make_report(nonce=nonce)
        return SimpleNamespace(
            attestationReport=(ctypes.c_uint8 * 0x2000)(*report),
            attestationReportSize=len(report) if self.size is None else self.size,
        )

    def nvmlSystemSetConfComputeGpusReadyState(self, state):  # noqa: N802
        self._called("ready")
        self.ready = state

# SPDX-License-Identifier: Apache-2.0
"""Ask NVIDIA's driver for a GPU's report over our nonce.

Through NVML, the driver's management library, by NVIDIA's own binding
(``nvidia-ml-py``). The library is an argument, so that everything but the device
itself is tested without one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol

from cryptography import x509

from cleanroom.attestation.binding import Channel, bind32
from cleanroom.attestation.certificates import load_pem_certificates
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu.claims import identity_of
from cleanroom.attestation.platforms.nvidia_gpu.root import GPU
from cleanroom.attestation.platforms.nvidia_gpu.verify import CHAIN
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.record import dataclass

_PRODUCTION = 2  # NVML_CC_SYSTEM_ENVIRONMENT_PROD


class Nvml(Protocol):
    """The part of ``pynvml`` that is used, by its own names."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None:  # noqa: N802 - NVIDIA's name
        """Load the driver's library."""

    def nvmlShutdown(self) -> None:  # noqa: N802
        """Let it go."""

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        """Count GPUs."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: N802, ANN401
        """Name one GPU."""

    def nvmlSystemGetConfComputeState(self) -> Any:  # noqa: N802, ANN401
        """Return ``environment``, ``ccFeature`` and ``devToolsMode``."""

    def nvmlDeviceGetConfComputeGpuCertificate(self, handle: Any) -> Any:  # noqa: N802, ANN401
        """Return ``attestationCertChain`` and its size."""

    def nvmlDeviceGetConfComputeGpuAttestationReport(  # noqa: N802
        self,
        handle: Any,  # noqa: ANN401
        nonce: bytes,
    ) -> Any:  # noqa: ANN401
        """Return ``attestationReport`` and its size."""

    def nvmlSystemSetConfComputeGpusReadyState(self, state: int) -> None:  # noqa: N802
        """Let work start on the GPUs."""


def load_nvml() -> Nvml:
    """Return NVIDIA's binding.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        module: Nvml = importlib.import_module("pynvml")
    except ImportError:
        raise UnavailableError(
            "nvidia-gpu: found no Python package nvidia-ml-py",
            code="nvidia.no-binding",
            hint="install the extra: pip install 'cleanroom[gpu]'",
        ) from None
    return module


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaCollector:
    """Collect the report of one GPU.

    Attributes:
        load: Gives NVIDIA's binding, or says that it is not installed.
        index: Which GPU, from 0.
    """

    load: Callable[[], Nvml]
    index: int

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return GPU

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks, one sentence each; empty if ready."""
        try:
            nvml = self.load()
        except UnavailableError:
            return ("The Python package nvidia-ml-py is not installed (extra gpu).",)
        try:
            nvml.nvmlInit()
        except nvml.NVMLError:
            return ("NVML: does not start; no NVIDIA driver is loaded (libnvidia-ml.so.1)",)
        try:
            return self._missing(nvml)
        except nvml.NVMLError:
            return ("NVML knows no confidential computing: the driver is too old, or the GPU is.",)
        finally:
            nvml.nvmlShutdown()

    def _missing(self, nvml: Nvml) -> tuple[str, ...]:
        count = nvml.nvmlDeviceGetCount()
        state = nvml.nvmlSystemGetConfComputeState()
        found = []
        if count <= self.index:
            found.append(f"NVML lists {count} GPUs; number {self.index} is not among them.")
        if not state.ccFeature:
            found.append("Confidential computing is off (nvmlSystemGetConfComputeState ccFeature).")
        if state.devToolsMode:
            found.append("The GPUs are in developer mode, which opens them to the host.")
        if state.environment != _PRODUCTION:
            found.append("The GPUs' environment is not production.")
        return tuple(found)

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return the GPU's report over a nonce derived from the 64 bytes.

        Raises:
            MalformedError: The binding is not 64 bytes, or the driver says lengths that
                its answer does not have.
            UnavailableError: No binding, no driver, no such GPU, or it does not answer.
        """
        nonce = bind32(Channel.GPU, binding)
        nvml = self.load()
        try:
            nvml.nvmlInit()
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(self.index)
                certificate = nvml.nvmlDeviceGetConfComputeGpuCertificate(handle)
                report = nvml.nvmlDeviceGetConfComputeGpuAttestationReport(handle, nonce)
            finally:
                nvml.nvmlShutdown()
        except nvml.NVMLError:
            raise UnavailableError(
                f"nvidia-gpu: GPU {self.index} gave no report, agreed one",
                code="nvidia.no-report",
                hint="cleanroom attest collect says what this machine lacks",
            ) from None
        return EvidenceItem(
            platform=GPU,
            report=_sized(report.attestationReport, report.attestationReportSize),
            collateral={
                CHAIN: _sized(
                    certificate.attestationCertChain, certificate.attestationCertChainSize
                )
            },
        )


def machine_gpus(nvml: Nvml) -> tuple[GpuIdentity, ...]:
    """Name the GPUs of this machine, in their order, by their certificates.

    A runner writes them into its runtime data before any evidence is made, so that the
    machine's own report covers which devices take part. Each proves itself afterwards.

    Raises:
        MalformedError: A certificate that is none.
        UnavailableError: No driver, or it does not answer.
    """
    try:
        nvml.nvmlInit()
        try:
            found = [
                nvml.nvmlDeviceGetConfComputeGpuCertificate(nvml.nvmlDeviceGetHandleByIndex(index))
                for index in range(nvml.nvmlDeviceGetCount())
            ]
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError:
        raise UnavailableError(
            "nvidia-gpu: the driver names no GPUs", code="nvidia.no-report"
        ) from None
    return tuple(identity_of(_leaf(item)) for item in found)


def _leaf(certificate: Any) -> x509.Certificate:  # noqa: ANN401 - NVML's structure
    pem = _sized(certificate.attestationCertChain, certificate.attestationCertChainSize)
    return load_pem_certificates(pem.rstrip(b"\0"), what="nvidia device")[0]


def allow_work(nvml: Nvml) -> None:
    """Let work start on the GPUs; only after their evidence was accepted.

    Raises:
        UnavailableError: The driver refuses.
    """
    try:
        nvml.nvmlInit()
        try:
            nvml.nvmlSystemSetConfComputeGpusReadyState(1)
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError:
        raise UnavailableError(
            "nvidia-gpu: the driver does not let work start", code="nvidia.not-ready"
        ) from None


def _sized(buffer: Any, size: int) -> bytes:  # noqa: ANN401 - an array of ctypes
    data = bytes(buffer)
    if not 0 < size <= len(data):
        raise MalformedError(
            f"nvidia-gpu: the driver answered {size} bytes, agreed at most {len(data)}",
            code="nvidia.answer",
        )
    return data[:size]

"""What the command `doctor` does between reading its options and exiting."""

from __future__ import annotations

from rich.console import Console

from gputrack.app import doctor
from gputrack.app.tables import (
    findings_table,
    surroundings_table,
)


def run_doctor(out: Console) -> bool:
    """Print what this machine has and how each kernel does on it; whether all is well."""
    out.print(surroundings_table(doctor.surroundings()))
    findings = []
    for backend, reason in doctor.backends_here().items():
        if reason:
            out.print(f"backend {backend}: {reason}", markup=False)
            continue
        with out.status(f"backend {backend}: building and trying the kernels") as status:
            for finding in doctor.examine(backend):
                findings.append(finding)
                status.update(f"backend {backend}: {finding.element}")
    out.print(findings_table(findings))
    ill = [f"{f.element} on {f.backend}" for f in findings if not f.well]
    out.print(f"not well: {', '.join(ill)}" if ill else f"all {len(findings)} are well", markup=False)
    return not ill

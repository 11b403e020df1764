"""The command `doctor`: tables of this machine and of the tests of its kernels."""

from __future__ import annotations

from rich.console import Console

from gputrack.app import doctor
from gputrack.app.tables import findings_table, surroundings_table


def run_doctor(out: Console) -> bool:
    """Print a description of this machine and the test of each kernel; True if all pass."""
    out.print(surroundings_table(doctor.surroundings()))
    findings = []
    for backend, reason in doctor.backends_here().items():
        if reason:
            out.print(f"backend {backend}: {reason}", markup=False)
            continue
        with out.status(f"backend {backend}: building and testing the kernels") as status:
            for finding in doctor.examine(backend):
                findings.append(finding)
                status.update(f"backend {backend}: {finding.element}")
    out.print(findings_table(findings))
    failed = [f"{f.element} on {f.backend}" for f in findings if not f.passed]
    out.print(f"failed: {', '.join(failed)}" if failed else f"all {len(findings)} passed", markup=False)
    return not failed

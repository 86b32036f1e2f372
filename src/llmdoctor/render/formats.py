"""The formats that other programs read: which there are, and which module writes each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmdoctor.redact import redact, redact_verdict

if TYPE_CHECKING:
    from llmdoctor.finding import Report
    from llmdoctor.proof import Proof

OF_A_CHECK = ("junit", "sarif", "github", "gitlab", "html")
OF_A_PROOF = ("junit", "github", "html")


def check(name: str, report: Report, proof: Proof | None = None) -> str:
    """A whole check in one of these formats. Only the module of that format is imported.

    `proof` is that of the environment, for `html`. A look that was read from a file is as somebody
    wrote it down: it is redacted here once more.
    """
    report = replace(
        report,
        machine=redact(report.machine, ""),
        verdicts=tuple(redact_verdict(verdict, "") for verdict in report.verdicts),
    )
    if name == "junit":
        from llmdoctor.render import junit

        return junit.check(report)
    if name == "sarif":
        from llmdoctor.render import sarif

        return sarif.check(report)
    if name == "github":
        from llmdoctor.render import github

        return github.check(report)
    if name == "html":
        from llmdoctor.render import page

        return page.check(report, proof)
    from llmdoctor.render import gitlab

    return gitlab.check(report)


def smoke(name: str, proof: Proof) -> str:
    """A proof in one of those that it has: junit, github or html."""
    if name == "junit":
        from llmdoctor.render import junit

        return junit.smoke(proof)
    if name == "github":
        from llmdoctor.render import github

        return github.smoke(proof)
    from llmdoctor.render import page_proof

    return page_proof.page(proof)

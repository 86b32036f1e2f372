"""The formats that other programs read: which there are, and which module writes each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmdoctor.finding import Report

OF_A_CHECK = ("junit", "sarif", "github", "gitlab")


def check(name: str, report: Report) -> str:
    """A whole check in one of these formats. Only the module of that format is imported."""
    if name == "junit":
        from llmdoctor.render import junit

        return junit.check(report)
    if name == "sarif":
        from llmdoctor.render import sarif

        return sarif.check(report)
    if name == "github":
        from llmdoctor.render import github

        return github.check(report)
    from llmdoctor.render import gitlab

    return gitlab.check(report)

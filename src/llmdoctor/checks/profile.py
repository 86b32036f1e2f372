"""PROFILE: whether what is wanted fits the machine at all."""

from __future__ import annotations

from llmdoctor.checks._framework import ANY, Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install_profiles
from llmdoctor.finding import Remedy


@check("PROFILE001", cause=None, also=(ANY,))
def profile_does_not_fit(case: Case) -> Answer:
    """The wanted profile does not fit this machine.

    What: Asks the resolver whether the wanted profiles can be installed here.

    Why: `llmdoctor install` would refuse for the reasons given.

    Remedy: Take a profile that fits (`llmdoctor profiles`), or what the plan names instead.

    Known problems: An exclusion that you know to be out of date can be overridden: `--allow CODE`.
    """
    choice = case.choice
    if choice is None:
        return Skip("no profile was asked for")
    if choice.feasible:
        return None
    if unnamed := next((gpu.name for gpu in case.machine.nvidia.gpus if gpu.unnamed), None):
        return Skip(f"the report does not say which GPU {unnamed!r} is")
    cause = next((reason.cause for reason in choice.reasons if reason.cause), None)
    return finding(
        profile_does_not_fit,
        choice.reasons[0].text if choice.reasons else "The resolver found no build that fits.",
        cause=cause,
        evidence=tuple(f"{reason.code}: {reason.text}" for reason in choice.reasons),
        remedy=Remedy(
            "; ".join(other.text for other in choice.alternatives)
            or "See which profiles fit this machine.",
            "ask",
            (("llmdoctor", "profiles"), *_alternatives(case)),
        ),
    )


def _alternatives(case: Case) -> tuple[tuple[str, ...], ...]:
    offered = case.choice.alternatives if case.choice else ()
    return tuple(
        install_profiles(case, other.profiles)
        for other in offered
        if other.profiles and other.fits_here
    )

"""Choose the stack and the build of torch for a target, and say why: pure judgement over tables.

The question for each build, in this order (`builds`): is it published for the platform, is there a
wheel for the Python, does the C library suffice, does the driver carry its CUDA and know every GPU,
does it have kernels for *every* GPU? Then each profile has its say (`addons`). The first build of
the stack's list that passes is taken (`stacks`); where none does, `alternatives` says what would
work instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmdoctor.plan import Choice, Target
from llmdoctor.profile import Profile
from llmdoctor.resolve.addons import SOURCE_BUILD, marker_environment
from llmdoctor.resolve.alternatives import alternatives
from llmdoctor.resolve.stacks import attempts, choice_of, python_range

# Codes of `--allow` that no profile declares: they belong to the machine.
OVERRIDES = ("memory", "no-gpu", SOURCE_BUILD)

__all__ = ["OVERRIDES", "SOURCE_BUILD", "marker_environment", "python_range", "resolve"]


def resolve(
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    *,
    variant: str = "auto",
    allow: Sequence[str] = (),
) -> Choice:
    """Decide what to install on `target`.

    Args:
        wanted: the profiles asked for: at most one stack, any number of add-ons.
        known: every profile there is, to find a stack for add-ons alone and to offer alternatives.
        target: the machine.
        variant: "auto", or the one build to use ("cpu", "cu128").
        allow: codes of exclusions to override.

    Raises:
        UsageError: two stacks, or a build that no stack asked for has.
    """
    codes = tuple(allow)
    tried = attempts(wanted, known, target, variant, codes)
    if tried[-1].fits:
        return choice_of(tried, target)
    instead = alternatives(tried, wanted, known, target, variant, codes)
    return choice_of(tried, target, instead)

"""Profiles for a person at a terminal: which of them fit, and what is written in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.addresses import file_name
from llmdoctor.promises import PLACES
from llmdoctor.render.plans import Asked, alternatives, machine, megabytes
from llmdoctor.render.terminal import Paper, command

if TYPE_CHECKING:
    from llmdoctor.plan import Choice, Plan, Reason
    from llmdoctor.profile import Exclusion, Profile, Want
    from llmdoctor.profiles import Broken

# What is asked of a build of torch, in the order of the questions; what a profile says to a build
# that fits comes after them. The build that came furthest shows what is really in the way.
_QUESTIONS = (
    "gpu-unused",
    "hardware",
    "torch-unknown",
    "no-gpu",
    "platform",
    "python",
    "libc",
    "architectures-unknown",
    "gpu-architecture",
    "wsl1",
    "driver-missing",
    "driver-unknown",
    "driver-too-old",
    "gpu-unknown",
)
_ORIGINS = {
    "triton": "the one that goes with the stack's torch",
    "table": "the release for the chosen build of torch",
    "wheel": "a prebuilt wheel that fits the build",
}
_PLACES = {"linux": "Linux", "windows": "Windows", "macos": "macOS"}


def decisive(choice: Choice) -> Reason:
    """The one reason why nothing of this choice can be installed."""
    if choice.reasons and choice.reasons[0].code == "python":
        return choice.reasons[0]
    wanted = (choice.profiles, choice.profiles[1:])
    if any(item.profiles in wanted and not item.fits_here for item in choice.alternatives):
        for reason in choice.reasons:  # another driver is all that is missing
            if reason.code.startswith("driver-"):
                return reason
    against = [reason for reason in choice.reasons if reason.code != "visible-gpus"]
    return max(against, key=lambda reason: _depth(reason, choice.profiles))


def _depth(reason: Reason, profiles: Sequence[str]) -> int:
    own = tuple(f"{name} " for name in profiles)
    if reason.code not in _QUESTIONS or (reason.code == "python" and reason.text.startswith(own)):
        return len(_QUESTIONS)
    return _QUESTIONS.index(reason.code)


def wheels(choice: Choice) -> list[tuple[str, str]]:
    """File name and address of each wheel of the catalogue that was chosen."""
    urls = [item.url for item in choice.requirements if item.url]
    return [(file_name(url), url) for url in urls]


def outcome(profile: Profile, choice: Choice) -> str:
    """What becomes of a profile on a machine, in a sentence without its wheels."""
    if not choice.feasible:
        return f"does not fit: {decisive(choice).text}"
    stack = "" if profile.kind == "stack" else f" on {choice.profiles[0]}"
    return f"fits{stack}: torch {choice.torch}+{choice.variant}"


def wanted(want: Want) -> str:
    """A package as a profile asks for it."""
    text = f"{want.name}{want.spec}" if want.origin == "index" else want.name
    if want.origin != "index":
        text += f", {_ORIGINS[want.origin]}"
    return f"{text} (where {want.marker})" if want.marker else text


def where(exclusion: Exclusion) -> str:
    """The place that an exclusion is about."""
    names = _or([_PLACES.get(name, name) for name in exclusion.os])
    words = [names, _or(exclusion.arch), _or(exclusion.variants)]
    return " ".join(word for word in words if word) or "everywhere"


def table(
    rows: Sequence[tuple[Profile, Plan]],
    paper: Paper,
    *,
    broken: Sequence[Broken] = (),
    verbose: bool,
) -> None:
    """Every profile on this machine: fits, and with what, or the one reason why not."""
    paper.line(f"profiles on this machine: {machine(rows[0][1].choice.target)}", "bold")
    width = 4 + max(len(profile.name) for profile, _ in rows)
    for kind, heading in (("stack", "stacks"), ("addon", "add-ons")):
        paper.line()
        paper.line(heading, "bold")
        for profile, made in rows:
            if profile.kind == kind:
                _row(profile, made.choice, paper, width, verbose=verbose)
    if broken:
        paper.line()
        paper.line("broken", "bold")
    for item in broken:
        paper.item(f"✗ {item.name:{width - 3}}", f"from {item.origin.text}", "bold", 0)
        paper.line(item.error, "red", width)
    paper.line()
    paper.line("one of them in full:")
    paper.verbatim("$ llmdoctor profiles mainline", "bold", 2)


def _row(profile: Profile, choice: Choice, paper: Paper, width: int, *, verbose: bool) -> None:
    sign = "✓" if choice.feasible else "-"
    paper.item(f"{sign} {profile.name:{width - 3}}", profile.title, "bold", 0)
    if profile.origin.kind != "builtin":
        paper.line(f"from {profile.origin.text}", indent=width)
    _outcome(profile, choice, paper, width)
    if not choice.feasible and profile.kind == "addon":
        for other in choice.alternatives:
            if profile.name in other.profiles and other.profiles != (profile.name,):
                paper.line(f"→ {' + '.join(other.profiles)}: {other.text}", indent=width)
                break
    if verbose:
        paper.line(profile.summary, "dim", width)
        for reason in choice.reasons:
            paper.item("·", reason.text, "dim", width)
        for item in choice.rejected:
            paper.item("·", f"not taken: {item.candidate}: {item.reason}", "dim", width)


def _outcome(profile: Profile, choice: Choice, paper: Paper, indent: int) -> None:
    style = "green" if choice.feasible else "yellow"
    paper.line(outcome(profile, choice), style, indent)
    for filename, _ in wheels(choice):
        paper.verbatim(filename, style, indent)


def one(profile: Profile, made: Plan, paper: Paper, *, spelled: str, verbose: bool) -> None:
    """One profile in full, and what becomes of it here; `spelled` names it on a command line."""
    choice = made.choice
    kind = "stack" if profile.kind == "stack" else "add-on"
    paper.line(f"{profile.name} ({kind}): {profile.title}", "bold")
    paper.line(profile.summary, indent=2)
    paper.line(f"from: {profile.origin.text}", indent=2)
    paper.line()
    paper.line(f"on this machine ({machine(choice.target)})", "bold")
    _outcome(profile, choice, paper, 2)
    for _, url in wheels(choice):
        paper.verbatim(url, "dim", 2)
    if not choice.feasible:
        alternatives(choice, paper, Asked((profile.name,), spelled={profile.name: spelled}))
    if verbose:
        for reason in choice.reasons:
            paper.item("·", reason.text)
        for item in choice.rejected:
            paper.item("·", f"not taken: {item.candidate}: {item.reason}")
    _installs(profile, paper)
    _needs(profile, paper)
    _promises(profile, paper)
    _exclusions(profile, paper)
    if profile.notes:
        paper.line("notes", "bold")
        for note in profile.notes:
            paper.item("·", note)
    if verbose and profile.left_out:
        paper.line("left out on purpose", "bold")
        for left in profile.left_out:
            paper.item("·", f"{left.name}{left.spec}: {left.reason}")
            paper.line(f"source: {left.source}", "dim", 4)
    elif profile.left_out:
        paper.line(f"left out on purpose: {len(profile.left_out)} more with --verbose", "dim")
    paper.line()
    paper.line("what an install would do:")
    paper.verbatim(f"$ {command(['llmdoctor', 'plan', '--profile', spelled])}", "bold", 2)


def _installs(profile: Profile, paper: Paper) -> None:
    paper.line()
    paper.line("installs", "bold")
    if torch := profile.torch:
        builds = ", ".join(torch.variants)
        paper.item("·", f"torch {torch.version}, the first of these builds that fits: {builds}")
        paper.line(torch.reason, indent=4)
        paper.line(f"source: {torch.source}", "dim", 4)
    for want in profile.packages:
        paper.item("·", wanted(want))
        if want.reason:  # those of users may say less than ours
            paper.line(want.reason, indent=4)
        if want.source:
            checked = f", checked {want.checked}" if want.checked else ""
            paper.line(f"source: {want.source}{checked}", "dim", 4)


def _needs(profile: Profile, paper: Paper) -> None:
    paper.line("needs", "bold")
    for need in needs(profile):
        paper.item("·", need)


def needs(profile: Profile) -> list[str]:
    """What a profile needs of the machine and of the rest of the environment, in sentences."""
    from llmdoctor import tables

    found = []
    if profile.python:
        reason = f": {profile.python_reason}" if profile.python_reason else ""
        found.append(f"Python {profile.python}{reason}")
    if profile.kind == "addon":
        names = ", ".join(profile.stacks)
        found.append(f"one of the stacks {names}" if names else "a stack: any that fits")
    if profile.needs_gpu:
        found.append("an NVIDIA GPU and a CUDA build of torch")
    if profile.feature:
        lowest = tables.feature(profile.feature).minimum
        found.append(f"compute capability {lowest} or newer of every GPU")
    if meant := profile.hardware:
        found.append(
            f"unless it is named: {_or(meant.arch)} with a GPU of compute capability "
            f"{_or(meant.capabilities)}; {meant.reason}"
        )
    if profile.disk:
        found.append(f"{megabytes(profile.disk)} on disk, measured")
    elif profile.kind == "stack":
        found.append("room on disk: not measured")
    if profile.memory:
        found.append(f"{megabytes(profile.memory)} of main memory, measured in its smoke test")
    return found


def _promises(profile: Profile, paper: Paper) -> None:
    if profile.promises:
        paper.line("has to pass in the smoke test, or the install is taken back", "bold")
    for promise in profile.promises:
        paper.item("·", f"{promise.rows} on {PLACES[promise.on]}: {promise.reason}")


def _exclusions(profile: Profile, paper: Paper) -> None:
    if profile.exclusions:
        paper.line("does not go", "bold")
    for rule in profile.exclusions:
        paper.item("·", f"{where(rule)}: {rule.reason}")
        paper.verbatim(f"override: --allow {rule.code}", indent=4)
        paper.line(f"source: {rule.source}, checked {rule.checked}", "dim", 4)


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)

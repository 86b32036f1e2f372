"""How a check is declared and run.

A check is one function over a `Case`, marked with its code. Its docstring is its documentation:
the first line is the title, then the sections What, Why, Remedy and Known problems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from llmdoctor.finding import Finding, Remedy, Severity, Verdict
from llmdoctor.machine import Machine

if TYPE_CHECKING:  # without a wish a look is judged without them, and each costs milliseconds
    from llmdoctor.plan import Choice
    from llmdoctor.profile import Profile


ANY = "any"  # see `Check.also`


@dataclass(frozen=True)
class Case:
    """What a check may judge: the machine, and what the user wants of it.

    Without `--profile` there is no wish: `profiles` is empty and `choice` is None. `project` is the
    folder as it was typed, for commands that are to act on the same.
    """

    machine: Machine
    profiles: tuple[Profile, ...] = ()
    choice: Choice | None = None
    project: str = "."

    @property
    def wants_gpu(self) -> bool:
        """Whether a GPU is expected to be used: not with a CPU profile."""
        return not any(
            profile.torch is not None and profile.torch.variants == ("cpu",)
            for profile in self.profiles
        )


@dataclass(frozen=True)
class Skip:
    """A check's answer where its question does not arise, or cannot be answered."""

    reason: str


Answer: TypeAlias = Finding | Iterable[Finding] | Skip | None
Judge: TypeAlias = Callable[[Case], Answer]


@dataclass(frozen=True)
class Check:
    """A declared check. `readers` are the probe readers without whose look it cannot judge.

    `cause` is what its findings name by default, `also` are causes that some of them name instead;
    ANY: whatever `explain` reads in what a library or a report said.
    """

    code: str
    cause: str | None
    severity: Severity
    readers: tuple[str, ...]
    judge: Judge
    also: tuple[str, ...] = ()

    def may_name(self, cause: str | None) -> bool:
        """Whether that cause, or none, is declared for its findings."""
        return cause in (None, self.cause, *self.also) or ANY in self.also

    @property
    def title(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0].rstrip(".")

    @property
    def doc(self) -> str:
        """The whole documentation."""
        from inspect import cleandoc

        return cleandoc(self.judge.__doc__ or "")

    @property
    def sections(self) -> dict[str, str]:
        """The documentation below the title, by section: What, Why, Remedy, Known problems."""
        parts = (part.partition(":") for part in self.doc.split("\n\n")[1:])
        return {name: " ".join(text.split()) for name, _, text in parts}

    def run(self, case: Case) -> Verdict:
        """Judge one case. A check that raises gives a crash verdict and never ends the run."""
        for reader in self.readers:
            if note := case.machine.note(reader):
                return Verdict(self.code, "skip", reason=f"could not look: {note.detail}")
        try:
            answer = self.judge(case)
            if isinstance(answer, Skip):
                return Verdict(self.code, "skip", reason=answer.reason)
            found = () if answer is None else (answer,) if isinstance(answer, Finding) else answer
            findings = tuple(found)
        except Exception as error:  # noqa: BLE001 - one red row instead of no report at all
            return Verdict(self.code, "crash", reason=f"{type(error).__name__}: {error}")
        return Verdict(self.code, "fail" if findings else "pass", findings)


def check(
    code: str,
    *,
    cause: str | None,
    also: Sequence[str] = (),
    severity: Severity = "error",
    readers: Sequence[str] = (),
) -> Callable[[Judge], Check]:
    """Declare a check under its stable code. Codes are never reused."""

    def declare(judge: Judge) -> Check:
        return Check(code, cause, severity, tuple(readers), judge, tuple(also))

    return declare


def finding(
    check: Check,
    detail: str,
    *,
    title: str | None = None,
    cause: str | None = None,
    severity: Severity | None = None,
    evidence: Iterable[str] = (),
    where: str | None = None,
    remedy: Remedy | None = None,
    url: str | None = None,
    line: int | None = None,
) -> Finding:
    """A finding of that check, with the check's own code, cause, severity and title by default."""
    return Finding(
        code=check.code,
        cause=cause or check.cause,
        severity=severity or check.severity,
        title=title or check.title,
        detail=detail,
        evidence=tuple(evidence),
        where=where,
        remedy=remedy,
        url=url,
        line=line,
    )


def once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings that differ in their evidence alone are one: of equal GPUs the same is true."""
    said: dict[Finding, list[str]] = {}
    for item in findings:
        said.setdefault(replace(item, evidence=()), []).extend(item.evidence)
    return tuple(
        replace(item, evidence=tuple(dict.fromkeys(lines))) for item, lines in said.items()
    )

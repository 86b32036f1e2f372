"""HF: Transformers and peft against what they stand on, beyond what their metadata says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmdoctor.checks._facts import parts, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install
from llmdoctor.checks._versions import allows
from llmdoctor.finding import Finding
from llmdoctor.machine import Package

if TYPE_CHECKING:
    from llmdoctor.tables.attention import Ranges

# Package, its name among the ranges, its cause, and whether Transformers' metadata names it: then
# the table is for lists of packages without metadata only. accelerate is one of its extras.
_RANGES = (
    ("huggingface-hub", "hub", "hf-hub-version-conflict", True),
    ("tokenizers", "tokenizers", "tokenizers-version-conflict", True),
    ("accelerate", "accelerate", "accelerate-too-old", False),
)
# What peft imports from: its name in a sentence, and the cause where it lacks what is imported.
_OF_PEFT = {
    "transformers": ("Transformers", "peft-transformers-mismatch"),
    "accelerate": ("accelerate", "accelerate-too-old"),
}


@check("HF001", cause="torch-too-old-for-transformers", readers=("environment",))
def torch_too_old_for_transformers(case: Case) -> Answer:
    """PyTorch is too old for the installed Transformers.

    What: Compares torch with the lowest release that this Transformers works with.

    Why: Transformers does not require torch, so installers do not compare them. With an older one
    it prints "Disabling PyTorch" and goes on as if there were none: models cannot be imported.

    Remedy: Install the profile, or a Transformers of the time of that torch.

    Known problems: Transformers releases before and after the table are not judged.
    """
    torch = usable_torch(case)
    package = case.machine.environment.package("transformers")
    if package is None or torch is None or torch.version is None:
        return Skip("Transformers or torch is not installed")
    from llmdoctor.tables import transformers_ranges

    known = transformers_ranges(package.version)
    if known is None:
        return Skip(f"Transformers {package.version} is not in the table")
    needed = known.torch
    if allows(needed, torch.version) is not False:
        return None
    return finding(
        torch_too_old_for_transformers,
        f"Transformers {package.version} needs torch{needed}, and torch {torch.version} is "
        "installed.",
        evidence=(f"transformers {package.version}", f"torch {torch.version}"),
        where=case.machine.environment.path,
        remedy=install(case, "Install a torch and a Transformers that were resolved together."),
    )


@check("HF002", cause="torch-too-old-torch-load-cve", severity="warning", readers=("environment",))
def torch_load_refused(case: Case) -> Answer:
    """Transformers refuses to load checkpoints with this torch.

    What: Compares torch with the release from which Transformers trusts torch.load.

    Why: torch.load before 2.6 runs code from a file even with weights_only=True (CVE-2025-32434).
    So Transformers raises an error for every checkpoint that is not safetensors; trainers cannot
    resume either, since they keep the optimizer's state in such a file.

    Remedy: Install torch 2.6 or newer, or use the model's safetensors files.

    Known problems: None for models whose repository has safetensors.
    """
    torch = usable_torch(case)
    package = case.machine.environment.package("transformers")
    if package is None or torch is None or torch.version is None:
        return Skip("Transformers or torch is not installed")
    from llmdoctor.tables.read import read_table

    rule = read_table("transformers")["torch_load"]
    if parts(package.version) < parts(rule["since"]):
        return None
    if allows(rule["torch"], torch.version) is not False:
        return None
    from llmdoctor.tables import transformers_ranges

    known = transformers_ranges(package.version)
    if known is not None and allows(known.torch, torch.version) is False:
        return Skip("follows from the torch that is too old altogether (HF001)")
    return finding(
        torch_load_refused,
        f"Transformers {package.version} asks for torch{rule['torch']} to read anything but "
        f"safetensors; torch {torch.version} is installed.",
        evidence=(f"transformers {package.version}", f"torch {torch.version}"),
        where=case.machine.environment.path,
        remedy=install(case, "Install a torch that Transformers trusts."),
    )


@check(
    "HF003",
    cause="peft-transformers-mismatch",
    also=("accelerate-too-old",),
    readers=("environment",),
)
def peft_imports_missing(case: Case) -> Answer:
    """The installed peft imports what another package does not have.

    What: Compares peft with Transformers and accelerate, by a table of what peft imports from them.

    Why: peft's metadata names no range for Transformers, and a lowest accelerate that is older than
    what it needs, so installers put any of them together. The import of peft then ends with "cannot
    import name ...", and so does that of Transformers' trainer and of diffusers, which import peft
    when it is there.

    Remedy: Install a peft of the time of the other package, or update accelerate.

    Known problems: Only what is imported at once is known, not what fails later.
    """
    peft = case.machine.environment.package("peft")
    if peft is None:
        return Skip("peft is not installed")
    others = [name for name in _OF_PEFT if case.machine.environment.package(name)]
    if not others:
        return Skip("neither Transformers nor accelerate is installed")
    return tuple(_not_imported(case, peft))


def _not_imported(case: Case, peft: Package) -> Iterator[Finding]:
    from llmdoctor.tables.read import read_table

    environment = case.machine.environment
    for row in read_table("transformers")["peft"]:
        name, other = row["package"], environment.package(row["package"])
        if other is None or not allows(row["peft"], peft.version):
            continue
        if allows(row["has"], other.version) is False:
            yield finding(
                peft_imports_missing,
                f"peft {peft.version} imports {row['imports']}, which {name} has only in "
                f"{row['has']}; {other.version} is installed.",
                title=f"The installed peft imports what {_OF_PEFT[name][0]} does not have",
                cause=_OF_PEFT[name][1],
                evidence=(f"peft {peft.version}", f"{name} {other.version}"),
                where=environment.path,
                remedy=install(case, f"Install a peft and {_OF_PEFT[name][0]} of the same time."),
            )


@check(
    "HF004",
    cause=None,
    also=("hf-hub-version-conflict", "tokenizers-version-conflict", "accelerate-too-old"),
    readers=("environment",),
)
def outside_transformers_range(case: Case) -> Answer:
    """A package is outside the range of the installed Transformers.

    What: Compares accelerate, which Transformers' metadata names for its extras only, with the
    release that the Trainer asks for; and huggingface-hub and tokenizers, where the metadata is not
    there (a pasted list of packages).

    Why: Transformers checks the Hub client and tokenizers when it is imported, and refuses to
    start; the Trainer refuses an older accelerate.

    Remedy: Install the profile: it resolves these packages together.

    Known problems: Releases of Transformers that are not in the table are not judged.
    """
    package = case.machine.environment.package("transformers")
    if package is None:
        return Skip("Transformers is not installed")
    from llmdoctor.tables import transformers_ranges

    known = transformers_ranges(package.version)
    if known is None:
        return Skip(f"Transformers {package.version} is not in the table")
    return tuple(_outside(case, package, known))


def _outside(case: Case, package: Package, known: Ranges) -> Iterator[Finding]:
    environment = case.machine.environment
    for name, key, cause, in_metadata in _RANGES:
        specifier, other = getattr(known, key), environment.package(name)
        if other is None or (in_metadata and package.requires):
            continue  # absent, or judged by Transformers' own metadata (PKG002)
        if allows(specifier, other.version) is False:
            yield finding(
                outside_transformers_range,
                f"Transformers {package.version} asks for {name}{specifier}, and {name} "
                f"{other.version} is installed.",
                title=f"{name} is outside the range of the installed Transformers",
                cause=cause,
                severity=None if in_metadata else "warning",
                evidence=(f"transformers {package.version}", f"{name} {other.version}"),
                where=environment.path,
                remedy=install(case, "Install versions that were resolved together."),
            )

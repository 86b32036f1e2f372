"""What several formats share."""

from __future__ import annotations

from dataclasses import replace

from llmdoctor import __version__
from llmdoctor.plan import Plan, Requirement, Resolved, pinned


def headline(plan: Plan) -> str:
    """What the file is, for its first comment."""
    choice, target = plan.choice, plan.choice.target
    where = f"{target.os} {target.arch}, Python {target.python}"
    names = " + ".join(choice.profiles)
    return f"{names}: torch {choice.torch}+{choice.variant} for {where} (llmdoctor {__version__})"


def torch_index(plan: Plan) -> str | None:
    """The index that torch alone comes from; None for the default one."""
    return plan.source.url if plan.source else None


def project(plan: Plan, tool: str, settings: dict[str, object]) -> str:
    """A pyproject.toml that asks for the plan's requirements, with a tool's own table."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(headline(plan)))
    document["project"] = {
        "name": "llm-stack",
        "version": "0",
        "requires-python": f"=={plan.choice.target.python}.*",
        "dependencies": [item.text for item in wanted(plan)],
    }
    document["tool"] = {tool: settings}
    return tomlkit.dumps(document)


def from_torch_index(plan: Plan) -> tuple[str, ...]:
    """The packages that come from torch's index."""
    return tuple(item.name for item in plan.choice.requirements if item.source == "torch")


def wanted(plan: Plan) -> tuple[Requirement, ...]:
    """The plan's requirements with torch pinned as its source writes it.

    No format names a folder or a page of wheels for torch alone: it stands by its file's address.
    """
    torch = next((item.package for item in plan.changes if item.package.name == "torch"), None)

    def text(item: Requirement) -> str:
        if torch is not None and item.name == torch.name and _by_address(plan, torch):
            return f"{torch.name} @ {torch.url}"
        return pinned(item, plan.source)

    return tuple(replace(item, text=text(item)) for item in plan.choice.requirements)


def _by_address(plan: Plan, package: Resolved) -> bool:
    """Whether the version alone would not find the file again."""
    source = plan.source
    torch = package.name == "torch" and source is not None and source.by_address
    return is_near(package) or (torch and package.url is not None)


def is_near(package: Resolved) -> bool:
    """Whether its file lies in a folder of this machine."""
    return (package.url or "").startswith("file:")


def pip_lines(plan: Plan) -> list[str]:
    """Lines of a pip requirements file.

    A resolved plan gives every package, torch by the address of its file, so that no second index
    can move anything else. Otherwise torch's index has to be an extra one.
    """
    if plan.changes:
        return [_exact(plan, change.package) for change in plan.changes]
    index = torch_index(plan)
    return [
        *([f"--extra-index-url {index}"] if index else []),
        *(requirement.text for requirement in wanted(plan)),
    ]


def _exact(plan: Plan, package: Resolved) -> str:
    own_index = torch_index(plan) is not None and package.name in from_torch_index(plan)
    apart = package.source == "wheel" or own_index
    safe = (package.url or "").startswith("https://")
    if (apart and safe) or _by_address(plan, package):
        line = f"{package.name} @ {package.url}"
    else:
        line = f"{package.name}=={package.version}"
    return f"{line} --hash=sha256:{package.sha256}" if package.sha256 else line

"""What each profile asks for on top of a build, and whether it can be had there."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

from llmdoctor import tables
from llmdoctor.plan import Reason, Rejected, Requirement, Target
from llmdoctor.profile import Exclusion, Profile, TorchPin, Want
from llmdoctor.resolve.builds import in_range
from llmdoctor.tables.read import numbers


def against_profile(
    profile: Profile, stack: Profile, variant: str, target: Target, allow: tuple[str, ...]
) -> Reason | None:
    """Why this profile does not go with the stack's build here; None when it does."""
    if profile.stacks and stack.name not in profile.stacks:
        return Reason(
            "stack",
            f"{profile.name} goes with {' or '.join(profile.stacks)}, not with {stack.name}",
        )
    if not in_range(target.python, profile.python):
        because = f" ({profile.python_reason})" if profile.python_reason else ""
        text = f"{profile.name} needs Python {profile.python}{because}, this is {target.python}"
        return Reason("python", text, "no-wheel-for-python")
    too_small = target.ram is not None and target.ram < profile.memory
    if too_small and "memory" not in allow:
        text = (
            f"{profile.name} needs {_mb(profile.memory)} of memory, here is {_mb(target.ram or 0)}"
        )
        return Reason("memory", f"{text} (override: --allow memory)")
    for exclusion in profile.exclusions:
        if exclusion.code not in allow and _applies(exclusion, variant, target):
            behind = _wheels_behind(profile, stack, variant, target)
            text = (
                f"{profile.name}: {exclusion.reason} (override: --allow {exclusion.code}{behind})"
            )
            return Reason(exclusion.code, text, exclusion.cause)
    if profile.needs_gpu and variant == "cpu":
        text = f"{profile.name} needs an NVIDIA GPU and a CUDA build of torch"
        return Reason("needs-gpu", text, "no-nvidia-gpu" if not target.gpus else "torch-cpu-wheel")
    if profile.feature is not None:
        needed = tables.feature(profile.feature)
        for gpu in target.gpus:
            capability = gpu.compute_capability
            if capability is not None and numbers(capability) < numbers(needed.minimum):
                return Reason(
                    "compute-capability",
                    f"{profile.title} needs compute capability {needed.minimum}, "
                    f"{gpu.name} has {capability}",
                    needed.cause,
                )
    return None


def _wheels_behind(profile: Profile, stack: Profile, variant: str, target: Target) -> str:
    """What an override would take: ", which takes FILE" or ", but …"; "" where it is no wheel."""
    assert stack.torch is not None
    wishes = Wishes(stack.torch, variant, target)
    files = []
    for want in profile.packages:
        if want.origin == "wheel" and (not want.marker or _holds(want.marker, target)):
            item = wishes.find(want)
            if isinstance(item, Reason):
                return f", but {item.text}"
            files.append(unquote(str(item.url)).rpartition("/")[2])
    return f", which takes {' and '.join(files)}" if files else ""


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def _applies(exclusion: Exclusion, variant: str, target: Target) -> bool:
    return (
        (not exclusion.os or target.os in exclusion.os)
        and (not exclusion.arch or target.arch in exclusion.arch)
        and (not exclusion.variants or variant in exclusion.variants)
    )


# What is allowed by `--build`: compile here what has no wheel.
SOURCE_BUILD = "source-build"


class Wishes:
    """The requirements of one combination on one build, gathered profile by profile.

    `why` says what was found, `rejected` which wheels were looked at and not taken.
    """

    def __init__(
        self, torch: TorchPin, variant: str, target: Target, allow: tuple[str, ...] = ()
    ) -> None:
        self._version = torch.version
        self._variant = variant
        self._target = target
        self._may_build = SOURCE_BUILD in allow
        self._capabilities = tuple(
            gpu.compute_capability for gpu in target.gpus if gpu.compute_capability is not None
        )
        item = Requirement("torch", f"torch=={torch.version}", "torch", reason=torch.reason)
        self._found = {item.name: item}
        self.why: list[Reason] = []
        self.rejected: list[Rejected] = []

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """One requirement for each name, torch first."""
        return tuple(self._found.values())

    def add(self, profile: Profile) -> Reason | None:
        """Take in what the profile asks for, or say which of it cannot be had."""
        self.why += [Reason("note", f"{profile.name}: {note}") for note in profile.notes]
        by = (profile.name,)
        if profile.torch:
            self._found["torch"] = replace(self._found["torch"], profiles=by)
        for want in profile.packages:
            if want.marker and not _holds(want.marker, self._target):
                continue
            item = self.find(want)
            if isinstance(item, Reason):
                return item
            self._keep(replace(item, profiles=by))
            for tool in item.compiled.tools if item.compiled else ():
                self._keep(Requirement(tool, tool, reason=f"{item.name} is compiled with it"))
        return None

    def find(self, want: Want) -> Requirement | Reason:
        """The requirement that a wish comes to, or why there is none."""
        if want.origin == "index":
            return Requirement(
                want.name, want.name + want.spec, reason=want.reason, build=want.build
            )
        return self._wheel(want) if want.origin == "wheel" else self._pinned(want)

    def _pinned(self, want: Want) -> Requirement | Reason:
        target = self._target
        place = tables.Place(
            self._version,
            self._variant,
            target.python,
            target.os,
            target.arch,
            target.glibc,
            self._capabilities,
        )
        pin = tables.pin_for(want.name, place)
        if isinstance(pin, tables.NoPin):
            return Reason(f"no-{want.name}", pin.reason, pin.cause)
        self.why += [Reason("pin", note) for note in pin.notes]
        where: Literal["torch", "index"] = "torch" if pin.torch_index else "index"
        return Requirement(pin.package, pin.package + pin.specifier, where, reason=pin.reason)

    def _wheel(self, want: Want) -> Requirement | Reason:
        version, variant, target = self._version, self._variant, self._target
        found = tables.find_wheel(
            want.name,
            version,
            variant,
            target.python,
            target.os,
            target.arch,
            target.glibc,
            self._capabilities,
            target.avoid,
        )
        self.rejected += [Rejected(name, reason) for name, reason in found.rejected]
        if found.best is None:
            glibc = f" with glibc {target.glibc}" if target.os == "linux" and target.glibc else ""
            text = (
                f"no prebuilt {want.name} wheel for torch {version}+{variant}, Python "
                f"{target.python}, {target.os} {target.arch}{glibc}"
            )
            return self._compiled(want, text)
        wheel = found.best
        self.why.append(Reason("wheel", f"{wheel.filename} ({wheel.origin})"))
        self.why += [Reason("wheel", f"{want.name}: {note}") for note in found.notes if note]
        text = f"{want.name} @ {wheel.url}"
        return Requirement(want.name, text, "wheel", wheel.url, want.reason)

    def _compiled(self, want: Want, no_wheel: str) -> Requirement | Reason:
        """What is compiled here instead of a wheel, where that is allowed and can be."""
        recipe = tables.source_build(want.name, self._version, self._target.os)
        if recipe is None or self._variant == "cpu":
            return Reason("no-wheel", no_wheel, "no-wheel-for-platform")
        if not self._may_build:
            text = f"{no_wheel}; --build compiles {recipe.version} here"
            return Reason("no-wheel", text, "no-wheel-for-platform")
        self.why.append(Reason("source-build", f"{no_wheel}: {recipe.version} is compiled here"))
        text = f"{want.name}=={recipe.version}"
        return Requirement(want.name, text, reason=want.reason, compiled=recipe)

    def _keep(self, item: Requirement) -> None:
        """Two profiles may name one package: both of their bounds hold then."""
        before = self._found.setdefault(item.name, item)
        if before is item:
            return
        before = replace(before, profiles=(*before.profiles, *item.profiles))
        self._found[item.name] = before
        if before.source == item.source == "index":
            bounds = [text.removeprefix(item.name) for text in (before.text, item.text)]
            text = item.name + ",".join(dict.fromkeys(filter(None, bounds)))
            self._found[item.name] = replace(before, text=text)


def _holds(marker: str, target: Target) -> bool:
    return _marked(marker, target.python, target.os, target.arch)


@lru_cache(maxsize=1024)
def _marked(marker: str, python: str, os: str, arch: str) -> bool:
    """Whether a marker holds on a target: of a target, its variables ask for no more."""
    from packaging.markers import Marker

    return Marker(marker).evaluate(marker_environment(Target(os=os, arch=arch, python=python)))


def marker_environment(target: Target) -> dict[str, str]:
    """PEP 508 marker variables of a target: its Python, system and processor."""
    systems = {"linux": "Linux", "windows": "Windows", "macos": "Darwin"}
    platforms = {"linux": "linux", "windows": "win32", "macos": "darwin"}
    machine = "AMD64" if target.os == "windows" and target.arch == "x86_64" else target.arch
    return {
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "implementation_name": "cpython",
        "implementation_version": f"{target.python}.0",
        "platform_python_implementation": "CPython",
        "os_name": "nt" if target.os == "windows" else "posix",
        "sys_platform": platforms.get(target.os, target.os),
        "platform_system": systems.get(target.os, target.os),
        "platform_machine": machine,
        "platform_release": "",
        "platform_version": "",
        "extra": "",
    }

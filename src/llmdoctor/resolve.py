"""Choose the stack and the build of torch for a target, and say why: pure judgement over tables.

The question for each build, in this order: is it published for the platform, is there a wheel for
the Python, does the C library suffice, does the driver carry its CUDA, does it have kernels for
*every* GPU? Then each add-on has its say. The first build of the stack's list that passes is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmdoctor import tables
from llmdoctor.errors import UsageError
from llmdoctor.plan import Alternative, Choice, Reason, Rejected, Requirement, Target
from llmdoctor.profile import Exclusion, Profile, Want


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
    choice = _choose(wanted, known, target, variant, tuple(allow))
    if choice.feasible:
        return choice
    return replace(choice, alternatives=_alternatives(wanted, known, target, variant, allow))


def _choose(
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> Choice:
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    addons = [profile for profile in wanted if profile.kind == "addon"]
    if len(stacks) > 1:
        names = " and ".join(profile.name for profile in stacks)
        raise UsageError(
            f"{names} are two stacks; an environment holds one",
            next_command=f"llmdoctor plan --profile {stacks[0].name}",
        )
    if stacks:
        return _on_stack(stacks[0], addons, target, variant, allow)
    first: Choice | None = None
    for stack in _stacks_for(addons, known):
        choice = _on_stack(stack, addons, target, variant, allow)
        if choice.feasible:
            passed_over = first.rejected if first else ()
            return replace(choice, rejected=(*passed_over, *choice.rejected))
        first = first or choice
    if first is None:
        raise UsageError("no stack carries " + " and ".join(profile.name for profile in addons))
    return first


def _stacks_for(addons: Sequence[Profile], known: Sequence[Profile]) -> list[Profile]:
    """Stacks that every add-on works with; the add-ons' own order first, CPU-only ones last."""
    stacks = {profile.name: profile for profile in known if profile.kind == "stack"}
    order = [name for addon in addons for name in addon.stacks] + ["mainline", *stacks]
    names = [
        name
        for name in dict.fromkeys(order)
        if name in stacks and all(not addon.stacks or name in addon.stacks for addon in addons)
    ]
    return sorted((stacks[name] for name in names), key=_cpu_only)


def _cpu_only(stack: Profile) -> bool:
    return stack.torch is not None and stack.torch.variants == ("cpu",)


def _on_stack(
    stack: Profile,
    addons: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> Choice:
    """The best build of one stack with these add-ons, or why there is none."""
    assert stack.torch is not None
    pin = stack.torch
    if variant != "auto" and variant not in pin.variants:
        raise UsageError(
            f"{stack.name} has no build {variant!r} (it has: {', '.join(pin.variants)})",
            next_command=f"llmdoctor plan --profile {stack.name} --variant {pin.variants[0]}",
        )
    profiles = (stack, *addons)
    names = tuple(profile.name for profile in profiles)
    rejected: list[Rejected] = []
    against: list[Reason] = []
    for candidate in pin.variants if variant == "auto" else (variant,):
        label = f"torch {pin.version}+{candidate}"
        forced = variant != "auto" or _cpu_only(stack)
        no = _against_build(stack, candidate, target, forced=forced)
        requirements: list[Requirement] = []
        why: list[Reason] = []
        for profile in () if no else profiles:
            no = _against_profile(profile, stack, candidate, target, allow)
            if no is None:
                no = _gather(profile, stack, candidate, target, requirements, why, rejected)
            if no is not None:
                break
        if no is None:
            return Choice(
                profiles=names,
                target=target,
                feasible=True,
                torch=pin.version,
                variant=candidate,
                requirements=tuple(requirements),
                imports=tuple(dict.fromkeys(n for p in profiles for n in p.imports)),
                disk=sum(profile.disk for profile in profiles),
                reasons=(*_for_build(stack, candidate, target), *why),
                rejected=tuple(rejected),
            )
        rejected.append(Rejected(label, no.text.removeprefix(f"{label} ")))
        against.append(no)
    reasons = tuple(dict.fromkeys(against))
    return Choice(names, target, feasible=False, reasons=reasons, rejected=tuple(rejected))


def _against_build(stack: Profile, variant: str, target: Target, *, forced: bool) -> Reason | None:
    """Why this torch build cannot be used on the target; None when it can."""
    assert stack.torch is not None
    version = stack.torch.version
    label = f"torch {version}+{variant}"
    release = tables.torch_release(version)
    if variant != "cpu" and not target.gpus:
        return Reason("no-gpu", f"{label} needs an NVIDIA GPU, and there is none", "no-nvidia-gpu")
    if not release.publishes(variant, target.os, target.arch):
        return Reason(
            "platform",
            f"{label} is not published for {target.os} {target.arch}",
            "no-wheel-for-platform",
        )
    if target.python not in release.python or not _in_range(target.python, stack.python):
        return Reason(
            "python",
            f"Python {target.python} is outside {stack.python} ({stack.python_reason})",
            "no-wheel-for-python",
        )
    if target.os == "linux" and (no := _against_libc(label, release, target)):
        return no
    if variant == "cpu":
        if target.gpus and not forced:
            return Reason("gpu-unused", f"{label} would leave {target.gpus[0].name} unused")
        return None
    return _against_driver(label, variant, target) or _against_gpus(label, release, variant, target)


def _against_libc(label: str, release: tables.TorchRelease, target: Target) -> Reason | None:
    needed = release.glibc(target.arch)
    if target.musl:
        return Reason(
            "libc", f"{label} needs glibc, and this system uses musl", "no-wheel-for-platform"
        )
    if needed and target.glibc and _older(target.glibc, needed):
        return Reason(
            "libc", f"{label} needs glibc {needed}, this system has {target.glibc}", "glibc-too-old"
        )
    return None


def _floor(variant: str, target: Target) -> tables.DriverFloor | None:
    """The oldest driver for a build. Under WSL the driver is the one of Windows."""
    return tables.driver_floor(variant, "windows" if target.wsl else target.os)


def _against_driver(label: str, variant: str, target: Target) -> Reason | None:
    floor = _floor(variant, target)
    cuda = tables.cuda_of_variant(variant)
    if target.driver_missing:
        return Reason(
            "driver-missing",
            f"{target.gpus[0].name} is there, but no NVIDIA driver answers",
            "driver-missing",
        )
    if floor is None:
        return Reason("driver-unknown", f"no table row says what driver CUDA {cuda} needs")
    if target.driver and tables.compare_driver(target.driver, floor.version) < 0:
        return Reason(
            "driver-too-old",
            f"{label} needs driver {floor.version} or newer (CUDA {cuda.split('.')[0]}.x), "
            f"this one is {target.driver}",
            "driver-too-old",
        )
    return None


def _against_gpus(
    label: str, release: tables.TorchRelease, variant: str, target: Target
) -> Reason | None:
    compiled = release.architectures(variant, target.os, target.arch)
    cuda = tables.cuda_of_variant(variant)
    if compiled is None:
        return Reason("architectures-unknown", f"what {label} is compiled for is not in the table")
    for gpu in target.gpus:
        capability = gpu.compute_capability
        if capability is None:
            return Reason("gpu-unknown", f"the compute capability of {gpu.name} is not known")
        if not tables.any_runs_on(compiled, capability, cuda):
            newest = max(compiled, key=_number)
            too_new = _number(capability) > _number(newest)
            return Reason(
                "gpu-architecture",
                f"{label} has no kernels for {gpu.name} (compute capability {capability}): "
                f"it is compiled for {', '.join(compiled)}",
                "gpu-too-new-for-torch" if too_new else "gpu-dropped-by-torch",
            )
    return None


def _against_profile(
    profile: Profile, stack: Profile, variant: str, target: Target, allow: tuple[str, ...]
) -> Reason | None:
    """Why this profile does not go with the stack's build here; None when it does."""
    if profile.stacks and stack.name not in profile.stacks:
        return Reason(
            "stack",
            f"{profile.name} goes with {' or '.join(profile.stacks)}, not with {stack.name}",
        )
    for exclusion in profile.exclusions:
        if exclusion.code not in allow and _applies(exclusion, variant, target):
            text = f"{profile.name}: {exclusion.reason} (override: --allow {exclusion.code})"
            return Reason(exclusion.code, text, exclusion.cause)
    if profile.needs_gpu and variant == "cpu":
        text = f"{profile.name} needs an NVIDIA GPU and a CUDA build of torch"
        return Reason("needs-gpu", text, "no-nvidia-gpu" if not target.gpus else "torch-cpu-wheel")
    if profile.feature is not None:
        minimum = tables.feature_minimum(profile.feature)
        for gpu in target.gpus:
            capability = gpu.compute_capability
            if capability is not None and _number(capability) < _number(minimum):
                return Reason(
                    "compute-capability",
                    f"{profile.title} needs compute capability {minimum}, "
                    f"{gpu.name} has {capability}",
                    "gpu-too-old-for-flash-attn" if "flash" in profile.feature else None,
                )
    return None


def _applies(exclusion: Exclusion, variant: str, target: Target) -> bool:
    return (
        (not exclusion.os or target.os in exclusion.os)
        and (not exclusion.arch or target.arch in exclusion.arch)
        and (not exclusion.variants or variant in exclusion.variants)
    )


def _gather(
    profile: Profile,
    stack: Profile,
    variant: str,
    target: Target,
    requirements: list[Requirement],
    why: list[Reason],
    rejected: list[Rejected],
) -> Reason | None:
    """Add the profile's requirements, or say which of them cannot be met."""
    assert stack.torch is not None
    version = stack.torch.version
    if profile is stack:
        requirements.append(
            Requirement("torch", f"torch=={version}", "torch", reason=stack.torch.reason)
        )
    for want in profile.packages:
        if not _marked(want, target):
            continue
        if want.origin == "index":
            item = Requirement(want.name, want.name + want.spec, reason=want.reason)
        elif want.origin == "triton":
            pin = tables.triton_for(version, target.os, target.arch, target.python)
            if isinstance(pin, tables.NoTriton):
                return Reason("no-triton", pin.reason, _triton_cause(target))
            item = Requirement(pin.package, pin.package + pin.specifier, reason=pin.reason)
        else:
            found = tables.find_flash_attn(
                version, variant, target.python, target.os, target.arch, target.glibc, want.name
            )
            rejected.extend(Rejected(name, reason) for name, reason in found.rejected)
            if found.best is None:
                return Reason(
                    "no-wheel",
                    f"no prebuilt {want.name} wheel for torch {version}+{variant}, Python "
                    f"{target.python}, {target.os} {target.arch}",
                    "no-wheel-for-platform",
                )
            wheel = found.best
            item = Requirement(
                want.name, f"{want.name} @ {wheel.url}", "wheel", wheel.url, want.reason
            )
            why.append(Reason("wheel", f"{wheel.filename} ({wheel.origin})"))
        if item not in requirements and item.name not in {r.name for r in requirements}:
            requirements.append(item)
    return None


def _triton_cause(target: Target) -> str | None:
    return "triton-unavailable-on-windows" if target.os == "windows" else "no-wheel-for-platform"


def _for_build(stack: Profile, variant: str, target: Target) -> tuple[Reason, ...]:
    """Why the chosen build fits, in the words of the facts."""
    assert stack.torch is not None
    release = tables.torch_release(stack.torch.version)
    reasons = [
        Reason("stack", f"{stack.name}: {stack.title}"),
        Reason("python", f"Python {target.python} is in {stack.python}"),
    ]
    if variant == "cpu":
        text = "no NVIDIA GPU is there" if not target.gpus else "the CPU build was asked for"
        if target.os == "macos":
            text = "macOS has no CUDA; the build uses the CPU and Metal (MPS)"
        return (*reasons, Reason("variant", f"cpu: {text}"))
    floor = _floor(variant, target)
    cuda = tables.cuda_of_variant(variant)
    assert floor is not None
    has = f"driver {target.driver}" if target.driver else "the driver is not known; it"
    verb = "runs" if target.driver else "must run"
    reasons.append(
        Reason(
            "driver",
            f"{has} {verb} every CUDA {cuda.split('.')[0]} build: they need {floor.version} "
            "or newer",
        )
    )
    compiled = ", ".join(release.architectures(variant, target.os, target.arch) or ())
    for gpu in target.gpus:
        text = f"{gpu.name} has compute capability {gpu.compute_capability}"
        reasons.append(Reason("gpu", f"{text}; {variant} is compiled for {compiled}"))
    return (*reasons, Reason("variant", f"{variant}: {stack.torch.reason}"))


def _alternatives(
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: Sequence[str],
) -> tuple[Alternative, ...]:
    """Combinations near the wanted one that are feasible here: resolved, not guessed."""
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    addons = [profile for profile in wanted if profile.kind == "addon"]
    tries: list[tuple[Sequence[Profile], str, str]] = [
        (wanted, "auto", "with the build that fits this machine")
        if variant != "auto"
        else ((), "", "")
    ]
    tries += [
        (
            [profile for profile in wanted if profile is not addon],
            "auto",
            f"without {addon.name}: attention through PyTorch's own SDPA kernels",
        )
        for addon in addons
    ]
    if len(addons) > 1:
        tries.append((stacks, "auto", "the stack alone, attention through SDPA"))
    others = [stack for stack in _stacks_for(addons, known) if stack not in stacks]
    tries += [((other, *addons), "auto", f"the {other.name} stack") for other in others]
    tries += [((other,), "auto", f"the {other.name} stack alone") for other in others if addons]
    cpu = next((profile for profile in known if _cpu_only(profile)), None)
    if cpu is not None:
        tries.append(([cpu], "auto", "on the processor, without the GPU"))
    found: dict[tuple[str, ...], Alternative] = {}
    for profiles, build, text in tries:
        if not profiles or (list(profiles) == list(wanted) and variant == "auto"):
            continue
        choice = _choose(profiles, known, target, build, tuple(allow))
        if choice.feasible and choice.profiles not in found:
            label = f"{text} (torch {choice.torch}+{choice.variant})"
            found[choice.profiles] = Alternative(choice.profiles, label)
    return tuple(found.values())


def _marked(want: Want, target: Target) -> bool:
    """Whether the package's marker holds on the target."""
    if want.marker is None:
        return True
    from packaging.markers import Marker

    return Marker(want.marker).evaluate(marker_environment(target))


def marker_environment(target: Target) -> dict[str, str]:
    """PEP 508 marker variables of a target."""
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


def _in_range(python: str, spec: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return not spec or SpecifierSet(spec).contains(python)


def _number(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))


def _older(version: str, than: str) -> bool:
    return _number(version) < _number(than)

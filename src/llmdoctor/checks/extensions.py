"""EXT: compiled packages against the torch, the CUDA and the GPU that they were built for."""

from __future__ import annotations

from collections.abc import Iterator

from llmdoctor.checks._built_for import Built, built_for
from llmdoctor.checks._facts import cuda_major, parts, release_of, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install, pip, replace
from llmdoctor.checks._requirements import pins_torch
from llmdoctor.checks._versions import allows
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Package, Torch, minor_of

_NO_TORCH = Skip("there is no torch that can be imported")


@check(
    "EXT001",
    cause="ext-abi-mismatch",
    also=("torch-cpu-wheel", "rocm-torch-cuda-only-build", "binary-needs-other-cuda-major"),
    readers=("environment",),
)
def built_for_another_torch(case: Case) -> Answer:
    """A compiled package was built for another torch.

    What: Reads for which torch, CUDA and C++ ABI a package was built, from its local version
    (2.8.3+cu12torch2.9cxx11abiTRUE) or the wheel's name that the installer wrote down, and compares
    that with the installed torch.

    Why: Such a wheel is good for one torch minor, one CUDA major and one C++ ABI. With another its
    import ends with "undefined symbol", and programs that try it fall back without a word.

    Remedy: Replace it by the wheel that was built for the installed torch.

    Known problems: A package that was compiled here, or that names no torch, says nothing.
    """
    torch = usable_torch(case)
    if torch is None or torch.version is None:
        return _NO_TORCH
    return tuple(
        found
        for package in case.machine.environment.packages
        if package.name != "torch" and (built := built_for(package))
        for found in _against(case, torch, package, built)
    )


def _against(case: Case, torch: Torch, package: Package, built: Built) -> Iterator[Finding]:
    here = f"torch {torch.version} ({torch.variant})"
    wrong, cause = _mismatch(case, torch, built)
    if not wrong or (torch.variant == "cpu" and not case.wants_gpu):
        return
    symptom = cause == "torch-cpu-wheel"
    yield finding(
        built_for_another_torch,
        f"{package.name} {package.version} was built for {built}; {wrong}."
        + (" Follows from the build of torch (TORCH003 or TORCH007)." if symptom else ""),
        title=f"{package.name} was built for another torch",
        cause=cause,
        severity="warning" if symptom else None,
        evidence=(f"{package.name}: {built.said}", here),
        where=case.machine.environment.path,
        remedy=replace(case, package.name),
    )


def _mismatch(case: Case, torch: Torch, built: Built) -> tuple[str, str | None]:
    """What does not fit, in words, and its cause; "" where all that is known fits."""
    if built.torch and parts(built.torch) != parts(torch.version or "")[:2]:
        return f"torch {torch.version} is installed", None
    if built.cuda and torch.variant == "cpu":
        return "the installed torch is a CPU build", "torch-cpu-wheel"
    if built.cuda and torch.hip:
        return "the installed torch is a ROCm build", "rocm-torch-cuda-only-build"
    major = cuda_major(torch)
    if built.cuda and major and built.cuda != major:
        cause = None if built.torch else "binary-needs-other-cuda-major"
        return f"the installed torch is built for CUDA {torch.cuda}", cause
    host = case.machine.host
    release = release_of(torch.version or "") if host.system == "linux" else None
    abi = release.cxx11_abi(torch.variant or "", host.arch) if release else None
    if None not in (abi, built.cxx11_abi) and abi != built.cxx11_abi:
        which = "the C++11 ABI" if abi else "the C++ ABI from before C++11"
        return f"the installed torch uses {which}", None
    return "", None


@check("EXT002", cause="torchvision-torch-mismatch", readers=("environment",))
def companions_of_another_torch(case: Case) -> Iterator[Finding]:
    """The installed torchvision or torchaudio is not the pair of torch.

    What: Compares torchvision and torchaudio with the line that was released for the installed
    torch, and their builds (cpu, cu126) with torch's.

    Why: They are compiled against one torch minor. With another their operators are missing
    ("operator torchvision::nms does not exist"), and Transformers' image models fail to import.

    Remedy: Install the pair, from the same index as torch.

    Known problems: Patch releases of one line are taken as equal. Nightlies are not judged.
    """
    torch = usable_torch(case)
    if torch is None or torch.version is None or release_of(torch.version) is None:
        return
    from llmdoctor.tables.read import read_table

    environment = case.machine.environment
    minor = ".".join(torch.version.split(".")[:2])
    lines = {row["torch"]: row for row in read_table("companions")["line"]}
    for name in ("torchvision", "torchaudio"):
        package = environment.package(name)
        line = lines.get(minor, {}).get(name)
        if package is None or "dev" in package.version:
            continue
        wrong = ""
        other = line and parts(package.version)[:2] != parts(line)
        if other and not pins_torch(case.machine, package):
            wrong = f"torch {torch.version} goes with {name} {line}"
        elif build := _other_build(package, torch):
            wrong = f"it is the {build} build, and torch {torch.version} is {torch.variant}"
        if wrong:
            yield finding(
                companions_of_another_torch,
                f"{name} {package.version} is installed: {wrong}.",
                title=f"{name} is not the pair of the installed torch",
                evidence=(f"{name} {package.version}", f"torch {torch.version} ({torch.variant})"),
                where=environment.path,
                remedy=install(case, "Install the pair that belongs together."),
            )


def _other_build(package: Package, torch: Torch) -> str | None:
    """The build in its version, where that cannot work beside torch's."""
    build = package.version.partition("+")[2]
    theirs, ours = _family(package.name, build), _family(package.name, torch.variant or "")
    return build if theirs and ours and theirs != ours else None


def _family(name: str, build: str) -> str | None:
    """What has to be equal: torchaudio compares the whole CUDA version, torchvision its major."""
    if build == "cpu" or not build.startswith("cu") or not build[2:].isdigit():
        return build if build == "cpu" else None
    return build if name == "torchaudio" else build[:4]


@check("EXT003", cause="xformers-torch-mismatch", readers=("environment",))
def xformers_of_another_torch(case: Case) -> Answer:
    """This xFormers was made for another torch.

    What: Where the metadata of xFormers is not there (a pasted list of packages), compares torch
    with the release that the table has for that xFormers.

    Why: Each release is compiled for one torch. With another its kernels cannot be loaded, and
    programs take slower attention, or stop.

    Remedy: Install the xFormers of that torch, never the newest one.

    Known problems: Development builds are not in the table.
    """
    torch, package = usable_torch(case), case.machine.environment.package("xformers")
    if torch is None or torch.version is None or package is None:
        return Skip("xFormers or torch is not installed")
    if pins_torch(case.machine, package):
        return Skip("judged by its own metadata (PKG002)")
    from llmdoctor.tables.read import read_table

    rows = read_table("xformers")["release"]
    release = package.version.partition("+")[0]
    wanted = next((row["torch"] for row in rows if row["version"] == release), None)
    if wanted is None:
        first = min((row["version"] for row in rows), key=parts)
        older = parts(release) < parts(first)
        return Skip(
            f"xFormers {package.version} is not in the table"
            + (f", which begins with {first}" if older else "")
        )
    if allows(wanted, torch.version) is not False:
        return None
    return finding(
        xformers_of_another_torch,
        f"xFormers {package.version} was made for torch{wanted}; torch {torch.version} is "
        "installed.",
        evidence=(f"xformers {package.version}", f"torch {torch.version}"),
        where=case.machine.environment.path,
        remedy=replace(case, "xformers"),
    )


@check("EXT004", cause=None, severity="warning", readers=("host", "environment"))
def loose_companions(case: Case) -> Iterator[Finding]:
    """Triton or torchao is not the one of the installed torch.

    What: Compares both with the release that goes with the installed torch.

    Why: torch.compile calls Triton's insides, which change with each release. torchao then leaves
    out its compiled kernels and works in plain Python, slower, with a line in the log only.

    Remedy: Install the release that goes with torch.

    Known problems: A newer Triton within one minor mostly works.
    """
    torch = usable_torch(case)
    if torch is None or torch.version is None or torch.variant == "cpu":
        return
    for package, wanted in _loose(case, torch.version):
        if allows(wanted, package.version) is False:
            yield finding(
                loose_companions,
                f"torch {torch.version} goes with {package.name}{wanted}, and {package.name} "
                f"{package.version} is installed.",
                title=f"{package.name} is not the one of the installed torch",
                evidence=(f"{package.name} {package.version}", f"torch {torch.version}"),
                where=case.machine.environment.path,
                remedy=install(case, "Install the release that goes with torch."),
            )


def _loose(case: Case, torch: str) -> Iterator[tuple[Package, str]]:
    """The installed ones, each with the specifier that the tables give."""
    from llmdoctor.tables.read import read_table

    environment, host = case.machine.environment, case.machine.host
    own = environment.package("torch")
    release = release_of(torch)
    if release is None:
        return
    for name in ("triton", "triton-windows"):
        package = environment.package(name)
        if package is None or (own and any(r.startswith("triton") for r in own.requires)):
            continue  # absent, or judged by torch's own metadata
        from llmdoctor.plan import Target
        from llmdoctor.tables import NoTriton, triton_for

        # A pasted list names neither: since the package is there, some wheel did fit.
        usual = Target()
        arch = usual.arch if host.arch == "unknown" else host.arch
        python = minor_of(environment.version or usual.python)
        pin = triton_for(torch, host.system, arch, python)
        if not isinstance(pin, NoTriton) and pin.package == name:
            yield package, pin.specifier
    package = environment.package("torchao")
    rows = read_table("companions")["package"] if package else ()
    wanted = next(
        (row["for"].get(release.version) for row in rows if row["name"] == "torchao"), None
    )
    if package and wanted:
        yield package, wanted


@check("EXT012", cause="cudnn8-not-on-path", severity="warning", readers=("environment",))
def cudnn_of_another_major(case: Case) -> Iterator[Finding]:
    """A package loads another cuDNN than the one that is here.

    What: Looks for packages that load cuDNN by its number (ctranslate2, which faster-whisper uses),
    and compares that with the cuDNN wheels of the environment and with LD_LIBRARY_PATH.

    Why: torch brings cuDNN 9 and says so to nobody else. The program then ends with "Could not load
    library libcudnn_ops_infer.so.8", in the middle of its work.

    Remedy: The release of the package that loads the cuDNN which torch brings.

    Known problems: A cuDNN in the system's own folders is not looked for.
    """
    environment = case.machine.environment
    wheels = [item for item in environment.packages if item.name.startswith("nvidia-cudnn-cu")]
    there = {parts(item.version)[:1] for item in wheels}
    there |= {
        parts(item.version or "")[:1]
        for item in case.machine.libraries
        if item.name == "libcudnn" and item.found == "LD_LIBRARY_PATH"
    }
    if not wheels:
        return  # nothing says which one is here
    from llmdoctor.tables.read import read_table

    for row in read_table("companions")["cudnn"]:
        package = environment.package(row["name"])
        if package is None or parts(package.version) >= parts(row["below"]):
            continue
        if (row["major"],) in there:
            continue
        yield finding(
            cudnn_of_another_major,
            f"{package.name} {package.version} loads cuDNN {row['major']}, and the environment "
            f"brings {' and '.join(item.version for item in wheels)}.",
            evidence=(
                f"{package.name} {package.version}",
                *(f"{item.name} {item.version}" for item in wheels),
            ),
            remedy=Remedy(
                f"Install {package.name} {row['instead']} or newer.",
                "ask",
                (pip(environment, "install", f"{package.name}>={row['instead']}"),),
            ),
            url=str(row["source"]).partition(" ")[0],
        )

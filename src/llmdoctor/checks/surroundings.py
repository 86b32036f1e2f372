"""HOST: what around the environment decides whether models load and download."""

from __future__ import annotations

from llmdoctor.checks._facts import parts, size, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install
from llmdoctor.finding import Remedy

SMALL_SHM = 64 * 2**20  # bytes: what container engines give by default
SHM = "/dev/shm"  # noqa: S108 - named, never written to
TRUE = ("1", "on", "true", "yes")
LIBSTDCXX = "libstdc++"


@check("HOST008", cause="shm-too-small", severity="note", readers=("host", "memory"))
def shm_too_small(case: Case) -> Answer:
    """Shared memory is as small as containers have it by default.

    What: Looks at the size of /dev/shm in a container.

    Why: Data loaders with several workers and NCCL between GPUs pass tensors through it. When it
    is full a worker dies of "Bus error", or NCCL of "unhandled system error".

    Remedy: Start the container with `--shm-size=8g` or `--ipc=host`; in Kubernetes mount an
    emptyDir of medium Memory at /dev/shm.

    Known problems: A single process on one GPU needs next to none.
    """
    host, shm = case.machine.host, case.machine.memory.shm
    if host.container is None:
        return Skip("this is no container")
    if shm is None:
        return Skip("the size of /dev/shm is not known")
    if shm > SMALL_SHM:
        return None
    several = len(case.machine.nvidia.gpus) > 1
    return finding(
        shm_too_small,
        f"{SHM} holds {size(shm)}: data loaders with workers"
        + (", and NCCL between the GPUs, run out of it." if several else " run out of it."),
        severity="warning" if several else "note",
        evidence=(f"{SHM} {size(shm)}", f"container: {host.container}"),
        where=SHM,
        remedy=Remedy("Start the container with `--shm-size=8g`, or with `--ipc=host`."),
    )


@check("HOST009", cause="ssl-interception", severity="warning", readers=("host", "variables"))
def certificates_lost(case: Case) -> Answer:
    """A variable names a certificate file that is not there.

    What: Looks whether the files exist that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE,
    SSL_CERT_DIR and PIP_CERT name.

    Why: They were set for a proxy that inspects TLS. With the file gone every download fails:
    pip's with "Could not find a suitable TLS CA certificate bundle", others with
    CERTIFICATE_VERIFY_FAILED.

    Remedy: Put the proxy's certificate there, or clear the variable where no such proxy is.

    Known problems: A file that is there may still lack the proxy's certificate; nothing is fetched
    here to try it.
    """
    lost = case.machine.host.lost_certificates
    if not lost:
        return None
    return finding(
        certificates_lost,
        f"{' and '.join(lost)} should name the certificates to trust, and nothing lies there: "
        "downloads fail.",
        evidence=tuple(f"{name}: the file is not there" for name in lost),
        remedy=Remedy(
            "Ask whoever runs the proxy for its certificate and put it at that place; or clear "
            f"the variable: {', '.join(f'`unset {name}`' for name in lost)}."
            if case.machine.host.system != "windows"
            else "Put the proxy's certificate at that place, or clear the variable."
        ),
    )


@check("HOST010", cause=None, severity="note", readers=("variables",))
def hub_offline(case: Case) -> Answer:
    """The Hugging Face Hub is switched off by a variable.

    What: Tells HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE.

    Why: Then only models that are in the cache already can be loaded. For others the error speaks
    of a missing file or connection, not of the variable.

    Remedy: None is needed while it is meant; otherwise unset the variable.

    Known problems: A variable that is set inside a notebook or a service is not seen.
    """
    variables = case.machine.variables
    set_on = [
        name
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        if variables.get(name, "").lower() in TRUE
    ]
    if not set_on:
        return None
    return finding(
        hub_offline,
        "Models and tokenizers come from the cache alone; nothing is downloaded.",
        evidence=tuple(f"{name}={variables[name]}" for name in set_on),
        remedy=Remedy(f"To download models: unset {' and '.join(set_on)}."),
    )


@check("HOST011", cause="libstdcxx-too-old", severity="note", readers=("libraries", "library"))
def libstdcxx_too_old(case: Case) -> Answer:
    """The conda environment's libstdc++ is older than the system's.

    What: Compares the version of libstdc++ in the conda environment's lib folder with that of the
    system.

    Why: Programs of the environment load the former. What was compiled with the system's compiler,
    or a system library beside it, may want symbols of the latter: "version GLIBCXX_3.4.xx not
    found".

    Remedy: Bring the environment's one up: `conda install -c conda-forge "libstdcxx-ng"`.

    Known problems: Packages from conda and wheels from the index do not need the newer one.
    """
    machine = case.machine
    if machine.environment.kind != "conda":
        return Skip("this is no conda environment")
    versions = {item.found: item for item in machine.libraries if item.name == LIBSTDCXX}
    own, system = versions.get("conda"), versions.get("system")
    if not (own and own.version and system and system.version):
        return Skip("the versions of libstdc++ are not known")
    if parts(own.version) >= parts(system.version):
        return None
    return finding(
        libstdcxx_too_old,
        f"The environment has libstdc++ {own.version} and the system {system.version}: what is "
        "compiled with the system's compiler may not load in it.",
        evidence=(f"{own.path} ({own.version})", f"{system.path} ({system.version})"),
        where=own.path,
        remedy=Remedy(
            "If something fails with GLIBCXX not found: renew the environment's libstdc++.",
            "ask",
            (("conda", "install", "-c", "conda-forge", "libstdcxx-ng"),),
        ),
    )


@check("HOST012", cause="windows-path-too-long", severity="note", readers=("host",))
def paths_too_short(case: Case) -> Answer:
    """Windows cuts paths off at 260 characters.

    What: Reads LongPathsEnabled in the registry. Written from Microsoft's documentation and tried
    on a described machine, not on Windows itself.

    Why: Packages with deep folders (triton, flash-attn, a build's object files) cannot be unpacked
    or compiled below a long path: "No such file or directory", "filename too long".

    Remedy: Switch long paths on (administrator), or work in a folder with a short name.

    Known problems: Programs must ask for long paths too: Python does, cl.exe does not.
    """
    host = case.machine.host
    if host.system != "windows":
        return Skip("this is not Windows")
    if host.long_paths is None:
        return Skip("the registry's setting is not known")
    if host.long_paths:
        return None
    return finding(
        paths_too_short,
        "Deep packages cannot be unpacked or built below a long folder name.",
        evidence=("LongPathsEnabled = 0",),
        remedy=Remedy(
            "In PowerShell as administrator: `New-ItemProperty -Path "
            "HKLM:\\SYSTEM\\CurrentControlSet\\Control\\FileSystem -Name LongPathsEnabled -Value "
            "1 -PropertyType DWORD -Force`, then sign in again."
        ),
        url="https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation",
    )


@check("HOST013", cause="windows-fbgemm-libomp", readers=("host", "environment"))
def runtime_missing(case: Case) -> Answer:
    """A library that torch loads from Windows is not there.

    What: Looks in System32 for the Visual C++ runtime that torch's libraries are linked to, and
    for what single releases need beside it. Written from torch's own start-up code and tried on a
    described machine, not on Windows itself.

    Why: The import ends in "[WinError 126] The specified module could not be found", naming a
    library of torch (c10.dll, fbgemm.dll) that is there.

    Remedy: Install the Visual C++ Redistributable, or a torch release that brings the library.

    Known problems: A library beside python.exe or on PATH would do as well, and is not looked for.
    """
    host, torch = case.machine.host, usable_torch(case)
    if host.system != "windows":
        return Skip("this is not Windows")
    broken = case.machine.environment.torch
    if broken and "fbgemm.dll" in (broken.problem or ""):
        return finding(
            runtime_missing,
            "torch's fbgemm.dll cannot be loaded: what it is linked to is not on this system.",
            evidence=(str(broken.problem),),
            remedy=install(case, "Install a torch whose wheel brings what it needs."),
        )
    if torch is None or torch.version is None:
        return Skip("there is no torch that can be imported")
    from llmdoctor.tables.toolkits import windows_library

    needed = windows_library(torch.version)
    if note := case.machine.note("files"):
        if needed is None:
            return Skip(f"could not look: {note.detail}")
        missing: tuple[str, ...] = (needed,)
    else:
        optional = () if needed else ("libomp140.x86_64.dll",)
        missing = tuple(name for name in host.runtime_missing if name not in optional)
    if not missing:
        return None
    fbgemm = needed is not None and needed in missing
    unseen = case.machine.note("files") is not None
    return finding(
        runtime_missing,
        f"torch {torch.version} loads {', '.join(missing)}, "
        + ("which its wheel does not bring." if unseen else "and System32 has none."),
        title="torch needs a library that its wheel leaves out" if unseen else None,
        severity="warning",
        evidence=(f"torch {torch.version}", *(f"needed: {name}" for name in missing)),
        remedy=install(case, "Install a later release of torch, which brings the library.")
        if fbgemm
        else Remedy(
            "Install the Microsoft Visual C++ Redistributable (x64): "
            "https://aka.ms/vs/17/release/vc_redist.x64.exe"
        ),
    )

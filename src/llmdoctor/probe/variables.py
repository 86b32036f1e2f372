"""The environment variables that decide how torch, CUDA and the installers behave."""

from __future__ import annotations

import re

from llmdoctor.addresses import without_credentials
from llmdoctor.system import System

_SHOWN = re.compile(
    r"CUDA_\w+|NVIDIA_VISIBLE_DEVICES|LD_LIBRARY_PATH|PYTHON(?:PATH|HOME|NOUSERSITE|USERBASE)|VIRTUAL_ENV|CONDA_PREFIX"
    r"|HF_HOME|HF_HUB_OFFLINE|TRANSFORMERS_\w+|PYTORCH_\w*ALLOC_CONF|TORCH_CUDA_ARCH_LIST|MAX_JOBS"
    r"|BNB_CUDA_VERSION|TRITON_PTXAS_\w*PATH|PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|PIP_FIND_LINKS|UV_\w*INDEX\w*|POETRY_\w+"
    r"|PYTHON_KEYRING_BACKEND"
)
# Worth knowing that it is there; the value names a host, a person or a session. The desktop's
# variables decide whether a locked keyring can ask anybody.
_ONLY_SET = re.compile(
    r"(?:https?|all)_proxy|DBUS_SESSION_BUS_ADDRESS|DISPLAY|WAYLAND_DISPLAY", re.IGNORECASE
)
# An empty value is a setting of its own here: it hides every GPU.
_TELLING_WHEN_EMPTY = re.compile(r"CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES")
_SECRET = re.compile(
    r"PASSWORD|TOKEN|SECRET|USERNAME|HTTP_BASIC|CREDENTIAL|CERT|API_?KEY", re.IGNORECASE
)


def read_variables(system: System) -> dict[str, str]:
    """The variables of the allow-list, sorted by name, without credentials."""
    environ, found = system.environ, {}
    for name in sorted(environ):
        if not environ[name] and not _TELLING_WHEN_EMPTY.fullmatch(name):
            continue
        if _ONLY_SET.fullmatch(name) or (_SHOWN.fullmatch(name) and _SECRET.search(name)):
            found[name] = "set"
        elif _SHOWN.fullmatch(name):
            found[name] = _shown(name, environ[name])
    return found


def _shown(name: str, value: str) -> str:
    """An index may be written without its scheme; elsewhere an "@" is a part of a path."""
    is_address = "://" in value or "INDEX" in name or "FIND_LINKS" in name
    return without_credentials(value) if is_address else value

"""The environment variables of a child process which must not see this machine's settings."""

from __future__ import annotations

import os
import re
from pathlib import Path

_PRIVATE = re.compile(
    r"(PIP|UV|POETRY|VIRTUAL_ENV|CONDA|PYTHON|XDG|DBUS|CUDA|NVIDIA|LD_LIBRARY_PATH|LLMDOCTOR)"
    r"|.*_proxy$",
    re.IGNORECASE,
)


def hermetic_env(scratch: Path) -> dict[str, str]:
    """An environment in which pip, uv and Poetry see none of this user's settings, caches or proxies.

    Their caches and the home folder lie under *scratch*, so that no test meets another one's pages.
    """
    return {
        **{key: value for key, value in os.environ.items() if not _PRIVATE.match(key)},
        "HOME": str(scratch / "home"),
        "PIP_CACHE_DIR": str(scratch / "pip-cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_RETRIES": "0",
        "POETRY_CACHE_DIR": str(scratch / "poetry-cache"),
        "POETRY_CONFIG_DIR": str(scratch / "poetry-config"),
        "POETRY_KEYRING_ENABLED": "false",
        "UV_CACHE_DIR": str(scratch / "uv-cache"),
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }

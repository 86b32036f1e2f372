"""The files of an installed distribution, shared by the wheel builder and the site-packages writer."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence

from packaging.utils import canonicalize_name
from packaging.version import Version

Contents = Mapping[str, str | bytes]
"""Path inside the distribution (posix, relative to site-packages) to its content."""


def file_stem(name: str, version: str) -> str:
    """`Flash-Attn`, `2.8.3+cu12` to `flash_attn-2.8.3+cu12`: how wheels and dist-info folders begin."""
    return f"{canonicalize_name(name).replace('-', '_')}-{Version(version)}"


def default_package(name: str, version: str) -> dict[str, str | bytes]:
    """One importable package of that name which knows its version."""
    package = canonicalize_name(name).replace("-", "_")
    return {f"{package}/__init__.py": f"__version__ = {version!r}\n"}


def core_metadata(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    metadata_version: str = "2.1",
) -> str:
    """A METADATA / PKG-INFO text; `Provides-Extra` follows from the markers in *requires*."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    extras = {e for r in requires for e in re.findall(r"""extra\s*==\s*['"]([^'"]+)""", r)}
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join(lines) + "\n"


def wheel_text(tag: str) -> str:
    """The WHEEL file; a compressed tag such as `py2.py3-none-any` is expanded into one `Tag:` each."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {p}-{a}-{f}" for p in pythons for a in abis for f in platforms]
    pure = "true" if tag.endswith("-none-any") else "false"
    head = ["Wheel-Version: 1.0", "Generator: support", f"Root-Is-Purelib: {pure}"]
    return "\n".join([*head, *tags]) + "\n"


def with_record(files: Contents, dist_info: str) -> dict[str, bytes]:
    """*files* as bytes plus `<dist_info>/RECORD` with a sha256 and a size for each of them."""
    content = {path: _as_bytes(text) for path, text in sorted(files.items())}
    record = f"{dist_info}/RECORD"
    rows = [f"{path},sha256={digest(data)},{len(data)}" for path, data in content.items()]
    content[record] = ("\n".join([*rows, f"{record},,"]) + "\n").encode()
    return content


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def digest(data: bytes) -> str:
    """Its sha256 as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

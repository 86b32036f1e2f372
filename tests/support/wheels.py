"""Tiny valid wheels and sdists with reproducible bytes, among them look-alikes of the hard packages."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import textwrap
import zipfile
from collections.abc import Sequence
from pathlib import Path

from support.distribution import (
    Contents,
    core_metadata,
    default_package,
    file_stem,
    wheel_text,
    with_record,
)

_OLDEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def build_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    modules: Contents | None = None,
    metadata_version: str = "2.1",
    local_in_metadata: bool = True,
    corrupt: bool = False,
) -> Path:
    """Write `<name>-<version>-<tag>.whl` into *folder* and return its path.

    Without *modules* the wheel holds one package `<name>` with a `__version__`. Without
    *local_in_metadata* the file name alone carries the local version, as flash-attn's official
    wheels do. *corrupt* cuts the file in half, as an interrupted download does: the zip directory at
    its end is gone.
    """
    stem = file_stem(name, version)
    version = version if local_in_metadata else version.partition("+")[0]
    dist_info = f"{file_stem(name, version)}.dist-info"
    files: dict[str, str | bytes] = dict(
        default_package(name, version) if modules is None else modules
    )
    files[f"{dist_info}/WHEEL"] = wheel_text(tag)
    files[f"{dist_info}/METADATA"] = core_metadata(
        name,
        version,
        requires=requires,
        requires_python=requires_python,
        metadata_version=metadata_version,
    )
    data = _zip(with_record(files, dist_info))
    return _write(folder / f"{stem}-{tag}.whl", data[: len(data) // 2] if corrupt else data)


def torch_modules(version: str, cuda: str | None) -> dict[str, str | bytes]:
    """The part of torch which a doctor looks at: `torch/version.py` as the real wheels write it."""
    value = repr(cuda)
    return {
        "torch/__init__.py": "from torch.version import __version__\nfrom torch import cuda, version\n",
        # Empty stand-ins for what the real wheel carries: nothing here loads them.
        "torch/_C.so": b"",
        "torch/lib/libtorch_cpu.so": b"",
        "torch/cuda/__init__.py": "def is_available():\n    return False\n",
        "torch/version.py": (
            "from typing import Optional\n\n"
            "__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'xpu']\n"
            f"__version__ = {version!r}\n"
            "debug = False\n"
            f"cuda: Optional[str] = {value}\n"
            "git_version = '0000000000000000000000000000000000000000'\n"
            "hip: Optional[str] = None\n"
            "xpu: Optional[str] = None\n"
        ),
    }


def torch_variant(version: str, cuda: str | None) -> str:
    """`2.9.1`, `12.6` to `2.9.1+cu126`; without CUDA `2.9.1+cpu`."""
    return f"{version}+cpu" if cuda is None else f"{version}+cu{cuda.replace('.', '')}"


def fake_torch(
    folder: Path,
    version: str,
    cuda: str | None,
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    local_in_metadata: bool = True,
) -> Path:
    """A torch wheel of release *version* ("2.9.1") built for *cuda* ("12.6", None for CPU).

    Wheels of the PyTorch index carry `+cu126` in their file name and METADATA. Those of PyPI do not
    (*local_in_metadata* = False) although `torch.__version__` still says it.
    """
    full = torch_variant(version, cuda)
    return build_wheel(
        folder,
        "torch",
        full if local_in_metadata else version,
        requires=requires,
        tag=tag,
        modules=torch_modules(full, cuda),
    )


def fake_flash_attn(
    folder: Path,
    version: str = "2.8.3",
    *,
    torch: str = "2.9",
    cuda: str = "12",
    cxx11abi: bool = True,
    tag: str = "py3-none-any",
    import_error: str | None = None,
) -> Path:
    """A flash-attn wheel with the local version of the official release files.

    *import_error* is what the compiled module says on import, such as the undefined symbol of a
    wheel built against another torch. The file name keeps the capital `TRUE` of the real ones, which
    PEP 440 would write in lower case.
    """
    full = f"{version}+cu{cuda}torch{torch}cxx11abi{str(cxx11abi).upper()}"
    compiled = "" if import_error is None else f"raise ImportError({import_error!r})\n"
    modules = {
        "flash_attn/__init__.py": f"__version__ = {version!r}\nimport flash_attn_2_cuda\n",
        "flash_attn_2_cuda.py": compiled,
    }
    normalised = build_wheel(
        folder, "flash_attn", full, requires=("torch",), modules=modules, tag=tag
    )
    return normalised.rename(folder / f"flash_attn-{full}-{tag}.whl")


_BACKEND = """\
import base64
from pathlib import Path

HERE = Path(__file__).parent


def get_requires_for_build_wheel(config_settings=None):
{imports}
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
{imports}
{code}
{failure}
    coded = next((HERE / "prebuilt").glob("*.whl.base64"))
    Path(wheel_directory, coded.stem).write_bytes(base64.b64decode(coded.read_bytes()))
    return coded.stem
"""


def build_sdist(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    build_requires: Sequence[str] = (),
    build_imports: Sequence[str] = (),
    build_error: str | None = None,
    build_code: str = "",
    modules: Contents | None = None,
) -> Path:
    """Write `<name>-<version>.tar.gz`, which builds by its own backend: no setuptools, no network.

    *build_requires* is what it declares. *build_imports* is what it really needs and imports when
    asked for its build requirements (flash-attn: `torch`, undeclared). *build_error* is the text of
    the RuntimeError which its build ends with, *build_code* is what it does before.
    """
    stem = file_stem(name, version)
    scratch = folder / f".{stem}"
    scratch.mkdir(parents=True)
    wheel = build_wheel(scratch, name, version, requires=requires, modules=modules)
    quoted = ", ".join(f'"{requirement}"' for requirement in build_requires)
    files = {
        "PKG-INFO": core_metadata(name, version, requires=requires).encode(),
        "pyproject.toml": (
            f'[build-system]\nrequires = [{quoted}]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        ).encode(),
        "backend.py": _BACKEND.format(
            imports="\n".join(f"    import {module}" for module in build_imports),
            code=textwrap.indent(build_code, "    "),
            failure="" if build_error is None else f"    raise RuntimeError({build_error!r})",
        ).encode(),
        # coded: a zip at the end of a file that is not compressed makes pip take all of it for one
        f"prebuilt/{wheel.name}.base64": base64.b64encode(wheel.read_bytes()),
    }
    wheel.unlink()
    scratch.rmdir()
    return _write(folder / f"{stem}.tar.gz", _tar_gz({f"{stem}/{p}": d for p, d in files.items()}))


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    # Stored, not deflated: the bytes must not depend on the zlib of the machine.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _OLDEST_ZIP_DATE)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, data)
    return buffer.getvalue()


def _tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=0, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path

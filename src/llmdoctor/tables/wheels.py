"""The catalogue of prebuilt torch extensions: who published which wheel, and for which GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Literal

from llmdoctor.paths import profiles_dir
from llmdoctor.tables.read import numbers, read_table
from llmdoctor.tables.wheel_names import WheelName, parse_wheel_name

Origin = Literal["official", "community"]

_OFFICIAL = ("causal-conv1d", "flash-attn", "mamba-ssm")


@dataclass(frozen=True)
class Wheel(WheelName):
    """A wheel of the catalogue. ``caveat`` is what a user should know before trusting it.

    ``architectures`` are the compute capabilities it has machine code for, None where nobody
    knows; ``wrong`` those on which that code computes wrong numbers. ``triton`` is the lowest
    Triton its own metadata accepts, "" for any. ``built_glibc`` is the glibc that its libraries
    ask for where no tag promises one, None where nobody knows.
    """

    url: str
    origin: Origin
    caveat: str
    architectures: tuple[str, ...] | None
    wrong: tuple[str, ...] = ()
    triton: str = ""
    built_glibc: str | None = None

    @property
    def needs_glibc(self) -> str | None:
        """The oldest glibc it loads on: what its tags promise, else what is known of its build."""
        return self.glibc or self.built_glibc


@cache
def wheels_of(package: str) -> tuple[Wheel, ...]:
    """Every prebuilt wheel known of a package, official first; () for one the catalogue lacks.

    It knows flash-attn (2), flash-attn-3, mamba-ssm and causal-conv1d.
    """
    official = _official(f"wheels/{package}-official") if package in _OFFICIAL else ()
    return (*official, *(wheel for wheel in _community() if wheel.package == package))


def _official(name: str) -> Iterator[Wheel]:
    """Expand each release's build matrix into file names, then the assets that came by hand."""
    table = read_table(name)["table"]
    for row in read_table(name)["release"]:
        for cell in _cells(row):
            torch, cuda = cell["torch"], cell["toolkit"].partition(".")[0]
            filename = table["filename"].format(
                version=row["version"],
                cuda=cuda,
                torch=".".join(torch.split(".")[:2]),
                abi=cell["abi"],
                python="cp" + cell["python"].replace(".", ""),
                platform=cell["platform"],
            )
            caveats = [table["nightly_caveat"] if ".dev" in torch else table["caveat"]]
            if cell["platform"].endswith("aarch64") and "aarch64_caveat" in table:
                caveats.append(table["aarch64_caveat"])
            wheel = parse_wheel_name(filename)
            yield Wheel(
                **vars(wheel),
                url=_address(table["url"], filename, tag=row.get("tag", f"v{row['version']}")),
                origin="official",
                built_glibc=_built_glibc(name, wheel),
                caveat="; ".join(caveats),
                architectures=tuple(row["code"][cuda]),
                wrong=tuple(row.get("wrong", {}).get(cuda, ())),
                triton=row.get("triton", ""),
            )
    for row in read_table(name).get("asset", ()):
        asset = parse_wheel_name(row["filename"])
        yield Wheel(
            **vars(asset),
            url=_address(table["url"], row["filename"], tag=row["tag"]),
            origin="official",
            caveat=table["asset_caveat"],
            architectures=None,
            built_glibc=_built_glibc(name, asset),
        )


def _cells(row: dict[str, Any]) -> Iterator[Mapping[str, str]]:
    """The cells of a release's matrix but the skipped ones."""
    axes = {**row, "abi": ("FALSE", "TRUE")}
    names = ("torch", "python", "toolkit", "abi", "platform")
    for values in product(*(axes[name] for name in names)):
        cell = dict(zip(names, values, strict=True))
        if not any(skip.items() <= cell.items() for skip in row["skipped"]):
            yield cell


@cache
def _community() -> tuple[Wheel, ...]:
    """The flash-attn 2 and 3 wheels that others publish."""
    table = read_table("wheels/flash-attn-community")["table"]
    path = profiles_dir() / "tables" / "wheels" / "flash-attn-community.csv"
    wheels = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        release, filename = line.split(",")
        name = parse_wheel_name(filename)
        wheels.append(
            Wheel(
                **vars(name),
                url=_address(table["url"], filename, release=release),
                origin="community",
                caveat=table["caveat"],
                architectures=_community_code(name.package, name.version, name.cuda),
                built_glibc=_built_glibc("wheels/flash-attn-community", name),
            )
        )
    return tuple(wheels)


@cache
def _community_code(package: str, version: str, cuda: str) -> tuple[str, ...] | None:
    found = None
    for row in read_table("wheels/flash-attn-community")["code"]:
        newer = numbers(row["since"]) <= numbers(version) and numbers(row["cuda"]) <= numbers(cuda)
        if row["package"] == package and newer:
            found = tuple(row["architectures"])
    return found


def _built_glibc(table: str, wheel: WheelName) -> str | None:
    """The glibc that a wheel asks for without promising one; a table of several packages names it.

    Its own version counts, and on Windows there is none.
    """
    if not wheel.platform_tag.startswith("linux_"):
        return None
    return _glibc_since(table, wheel.package, wheel.platform_tag, wheel.version)


@cache
def _glibc_since(table: str, package: str, platform: str, version: str) -> str | None:
    found = None
    for row in read_table(table)["glibc"]:
        meant = row.get("package", package) == package and platform.endswith(row.get("arch", ""))
        if meant and numbers(row["since"]) <= numbers(version):
            found = row["version"]
    return found


def _address(pattern: str, filename: str, **parts: str) -> str:
    # "+" is the only character of a wheel's name that an address writes differently.
    return pattern.format(filename=filename.replace("+", "%2B"), **parts)

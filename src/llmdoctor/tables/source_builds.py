"""Packages that can be compiled against the installed torch, and what that takes."""

from __future__ import annotations

from llmdoctor.plan import SourceBuild
from llmdoctor.tables.read import read_table


def source_build(package: str, torch: str, os: str) -> SourceBuild | None:
    """How that package is compiled for that torch ("2.9.1"); None where the table has no way."""
    from packaging.specifiers import SpecifierSet

    for row in read_table("source-builds")["packages"]:
        if (
            row["name"] == package
            and os in row["os"]
            and SpecifierSet(row["torch"]).contains(torch)
        ):
            named = row.get("architectures", {})
            return SourceBuild(
                name=package,
                version=row["version"],
                requires=tuple(row["requires"]),
                tools=tuple(row["tools"]),
                force=row["force"],
                architectures=named.get("variable", ""),
                known=tuple(named.get("known", ())),
                core_minutes=row.get("core_minutes"),
            )
    return None

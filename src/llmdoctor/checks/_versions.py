"""Version rules written by other people. `packaging` is imported only when there is one to judge."""

from __future__ import annotations

import re


def allows(specifier: str, version: str) -> bool | None:
    """Whether a specifier lets this version in; None when the specifier cannot be read.

    Understands PEP 440 (">=3.10,<3.13") and what Poetry adds to it: "^3.12", "~3.12", a bare
    "3.12" and alternatives with "||". Pre-releases and local versions count as what they are.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return any(
            SpecifierSet(
                ",".join(_pep440(part) for part in re.split(r"[,\s]+(?=[\^~<>=!\d])", one))
            ).contains(version, prereleases=True)
            for one in (part.strip() for part in specifier.split("||"))
        )
    except (InvalidSpecifier, InvalidVersion):
        return None


def _pep440(part: str) -> str:
    """One Poetry clause in PEP 440: "^3.12" -> ">=3.12,<4"."""
    match = re.fullmatch(r"(\^|~)\s*(\d+(?:\.\d+)*)", part)
    if match is None:
        return f"=={part}" if re.match(r"\d", part) else "" if part == "*" else part
    release = [int(number) for number in match[2].split(".")]
    # "^" lets everything below the first part that is not zero change, "~" everything below minor.
    fixed = next((n for n, number in enumerate(release) if number), len(release) - 1)
    if match[1] == "~":
        fixed = min(1, len(release) - 1)
    upper = [*release[:fixed], release[fixed] + 1]
    return f">={match[2]},<{'.'.join(map(str, upper))}"

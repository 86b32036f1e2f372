"""Version rules that other people wrote.

Nearly all of them compare plain numbers, and `packaging` costs more to import than every check to
run. So plain ones are judged here, and `packaging` is imported for the first one that is not.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

_PLAIN = re.compile(r"(\d+(?:\.\d+)*)(?:\+[A-Za-z0-9.]+)?")  # a release, and its local version
_CLAUSE = re.compile(r"(>=|<=|==|!=|<|>)\s*(\d+(?:\.\d+)*)")
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*"
    r"\(?(?P<specifier>[^()@;]*)\)?\s*(?:;(?P<marker>.*))?",
    re.DOTALL,
)
_MARKER = re.compile(r"\(*\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*[\"']([^\"']*)[\"']\s*\)*")
_COMPARE: dict[str, Callable[[list[int], list[int]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


def allows(specifier: str, version: str) -> bool | None:
    """Whether a specifier lets this version in; None when one of them cannot be read.

    Understands PEP 440 (">=3.10,<3.13") and what Poetry adds to it: "^3.12", "~3.12", a bare
    "3.12" and alternatives with "||". Pre-releases count like releases.
    """
    try:
        return any(_allows_one(one.strip(), version) for one in specifier.split("||"))
    except ValueError:
        return None


def split_requirement(text: str, variables: Mapping[str, str]) -> tuple[str, str] | None:
    """Name (normalised) and specifier of a PEP 508 requirement.

    None where it does not apply with these marker variables, and where it cannot be judged: an
    address, or a text that is no requirement.
    """
    match = _REQUIREMENT.fullmatch(text.strip())
    if match is None:
        return None
    marker = (match["marker"] or "").strip()
    if marker and not _applies(marker, variables):
        return None
    return re.sub(r"[-_.]+", "-", match["name"]).lower(), match["specifier"].strip()


def _applies(marker: str, variables: Mapping[str, str]) -> bool:
    if re.search(r"\bextra\s*==", marker) and not re.search(r"\bor\b", marker):
        return False  # belongs to an extra, and none is asked for
    plain = _applies_plainly(marker, variables)
    if plain is not None:
        return plain
    from packaging.markers import Marker

    try:
        return Marker(marker).evaluate(dict(variables))
    except ValueError:  # a mistake of the package: nothing can be judged by it
        return False


def _applies_plainly(marker: str, variables: Mapping[str, str]) -> bool | None:
    """The same for comparisons joined by "and", as nearly all are; None for any other."""
    answers = []
    for clause in re.split(r"\s+and\s+", marker):
        match = _MARKER.fullmatch(clause.strip())
        if match is None or match[1] not in variables:
            return None
        name, compare, value = match.groups()
        if name in ("python_version", "python_full_version"):
            answers.append(allows(compare + value, variables[name]))
        elif compare in ("==", "!="):
            answers.append((variables[name] == value) is (compare == "=="))
        else:
            return None
    return None if None in answers else all(answers)


def _allows_one(specifier: str, version: str) -> bool:
    # Poetry also separates by spaces alone.
    parts = re.split(r"\s*,\s*|\s+(?=[\^~<>=!])", specifier)
    clauses = [clause for part in parts if (clause := _pep440(part))]
    plain, matches = _PLAIN.fullmatch(version), [_CLAUSE.fullmatch(clause) for clause in clauses]
    if (plain and all(matches)) or not clauses:
        return all(_compare(match, plain[1]) for match in matches if match and plain)
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    return SpecifierSet(",".join(clauses)).contains(Version(version), prereleases=True)


def _compare(clause: re.Match[str], version: str) -> bool:
    left, right = ([int(part) for part in text.split(".")] for text in (version, clause[2]))
    length = max(len(left), len(right))
    padded = ([*numbers, *[0] * (length - len(numbers))] for numbers in (left, right))
    return _COMPARE[clause[1]](*padded)


def _pep440(part: str) -> str:
    """One Poetry clause in PEP 440: "^3.12" -> ">=3.12,<4"."""
    match = re.fullmatch(r"(\^|~)\s*(\d+(?:\.\d+)*)", part)
    if match is None:
        return f"=={part}" if re.match(r"\d", part) else "" if part == "*" else part
    release = [int(number) for number in match[2].split(".")]
    if match[1] == "~":  # below the next minor
        fixed = min(1, len(release) - 1)
    else:  # below the next of the first part that is not zero
        fixed = next((n for n, number in enumerate(release) if number), len(release) - 1)
    upper = [*release[:fixed], release[fixed] + 1]
    return f">={match[2]},<{'.'.join(map(str, upper))}"

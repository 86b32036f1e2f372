"""Sources of a Poetry project whose passwords may lie in the desktop's keyring."""

from __future__ import annotations

from llmdoctor.probe.paths import join
from llmdoctor.probe.toml import get, parse_toml
from llmdoctor.system import System


def private_sources(system: System, folder: str) -> list[str]:
    """Sources of the project other than public ones, for which no password is in a variable."""
    text = system.read_text(join(system, folder, "pyproject.toml")) or ""
    sources = get(parse_toml(text, "pyproject.toml")[0], "tool", "poetry", "source")
    names = []
    for source in sources if isinstance(sources, list) else ():
        if not isinstance(source, dict):
            continue
        name, url = str(source.get("name")), str(source.get("url") or "")
        public = not url or "://download.pytorch.org/" in url
        variable = "POETRY_HTTP_BASIC_" + name.upper().replace("-", "_") + "_USERNAME"
        if not public and variable not in system.environ:
            names.append(name)
    return names

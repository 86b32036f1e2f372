"""A pip requirements file."""

from __future__ import annotations

from llmdoctor.export._lines import headline, pip_lines
from llmdoctor.plan import Plan


def requirements(plan: Plan) -> str:
    """Requirements for `pip install -r`; with hashes when the plan was resolved."""
    return "\n".join([f"# {headline(plan)}", *pip_lines(plan)]) + "\n"

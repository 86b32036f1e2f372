"""A conda environment file."""

from __future__ import annotations

from llmdoctor.export._lines import headline, pip_lines
from llmdoctor.plan import Plan


def conda(plan: Plan) -> str:
    """An environment.yml: Python from conda, the stack through pip, where its builds are."""
    import json

    pip = [f"      - {json.dumps(line)}" for line in pip_lines(plan)]
    return "\n".join(
        [
            f"# {headline(plan)}",
            "name: llm-stack",
            "channels: [conda-forge]",
            "dependencies:",
            f"  - python={plan.choice.target.python}",
            "  - pip",
            "  - pip:",
            *pip,
            "",
        ]
    )

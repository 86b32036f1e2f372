"""A Dockerfile."""

from __future__ import annotations

from llmdoctor.export._lines import headline, pip_lines
from llmdoctor.plan import Plan


def dockerfile(plan: Plan) -> str:
    """An image with the stack. CUDA's libraries come as wheels, so no CUDA base image is needed.

    Run it with `--gpus all` where there is a GPU: the driver is the host's.
    """
    lines = "\n".join(pip_lines(plan))
    return (
        f"# {headline(plan)}\n"
        f"FROM python:{plan.choice.target.python}-slim\n"
        "COPY <<'REQUIREMENTS' /tmp/requirements.txt\n"
        f"{lines}\n"
        "REQUIREMENTS\n"
        "RUN python -m venv /opt/llm"
        " && /opt/llm/bin/pip install --no-cache-dir -r /tmp/requirements.txt\n"
        'ENV PATH="/opt/llm/bin:$PATH"\n'
    )

"""A Dockerfile."""

from __future__ import annotations

from llmdoctor.errors import UsageError
from llmdoctor.export._lines import headline, is_near, pip_lines
from llmdoctor.plan import Plan

# Triton builds its launcher on the machine, before the first kernel; a slim image has no compiler.
_COMPILER = (
    "RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev"
    " && rm -rf /var/lib/apt/lists/*\n"
)


def dockerfile(plan: Plan) -> str:
    """An image with the stack. CUDA's libraries come as wheels, so no CUDA base image is needed.

    Run it with `--gpus all` where there is a GPU: the driver is the host's.

    Raises:
        UsageError: the plan is for another system than Linux, or takes wheels of this machine.
    """
    if plan.choice.target.os != "linux":
        raise UsageError(
            f"a Dockerfile is for Linux, and this plan is for {plan.choice.target.os}: "
            "plan it for Linux (--assume os=linux), or take another --export"
        )
    near = [change.package.file for change in plan.changes if is_near(change.package)]
    if near:
        raise UsageError(
            f"a Dockerfile takes no wheel of this machine along, and {near[0]} lies here alone: "
            "put it on a page or an index (--index-url), or take another --export"
        )
    lines = "\n".join(pip_lines(plan))
    return (
        f"# {headline(plan)}\n"
        f"FROM python:{plan.choice.target.python}-slim\n"
        f"{_COMPILER if _has_triton(plan) else ''}"
        "COPY <<'REQUIREMENTS' /tmp/requirements.txt\n"
        f"{lines}\n"
        "REQUIREMENTS\n"
        "RUN python -m venv /opt/llm"
        " && /opt/llm/bin/pip install --no-cache-dir -r /tmp/requirements.txt\n"
        'ENV PATH="/opt/llm/bin:$PATH"\n'
    )


def _has_triton(plan: Plan) -> bool:
    """CUDA builds of torch bring Triton along; elsewhere an add-on may ask for it."""
    names = {item.name for item in plan.choice.requirements}
    return plan.choice.variant != "cpu" or "triton" in names

"""Write a choice into a project: its manifest and its lock, and no environment.

`manifest` is the judgement, pure; `planning` brings the project and the tool that locks it.
"""

from llmdoctor.write.manifest import NotWritableError, Rewritten, rewrite
from llmdoctor.write.planning import WritePlan, prepare, project

__all__ = ["NotWritableError", "Rewritten", "WritePlan", "prepare", "project", "rewrite"]

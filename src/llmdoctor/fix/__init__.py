"""`fix`: from findings to repairs, to steps that are carried out as one and can be taken back."""

from llmdoctor.fix.planning import place, prepare
from llmdoctor.fix.repair import Bench, FixPlan, Repair
from llmdoctor.fix.reviewed import read_plan, write_plan

__all__ = ["Bench", "FixPlan", "Repair", "place", "prepare", "read_plan", "write_plan"]

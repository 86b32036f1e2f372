"""The road of an install: what is asked, what is there, the plan, and carrying it out."""

from llmdoctor.install.bundling import Made, bundle, here
from llmdoctor.install.patient import absolute, usual_environment
from llmdoctor.install.plans import assumed, fits, resolved
from llmdoctor.install.prepare import Prepared, another, prepare
from llmdoctor.install.request import Request
from llmdoctor.install.run import carry_out, hold, recover_cut_off

__all__ = [
    "Made",
    "Prepared",
    "Request",
    "absolute",
    "another",
    "assumed",
    "bundle",
    "carry_out",
    "fits",
    "here",
    "hold",
    "prepare",
    "recover_cut_off",
    "resolved",
    "usual_environment",
]

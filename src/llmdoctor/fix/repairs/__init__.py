"""Which finding is mended by what: one function for each code.

A code that is not here is left to the reader, with the finding's own remedy.
"""

from collections.abc import Mapping

from llmdoctor.fix.repair import Repairer
from llmdoctor.fix.repairs import interpreter, keyring, lock, packages, scripts

REPAIRERS: Mapping[str, Repairer] = {
    "LOCK002": lock.lock_again,
    "POETRY006": keyring.switch_off,
    "PY001": interpreter.point_again,
    "PY002": interpreter.damaged,
    "PY011": scripts.point_again,
    "PKG001": packages.mend,
}

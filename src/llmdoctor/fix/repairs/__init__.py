"""Which finding is mended by what: one function for each code.

A code that is not here is left to the reader, with the finding's own remedy.
"""

from collections.abc import Mapping

from llmdoctor.fix.repair import Repairer
from llmdoctor.fix.repairs import (
    base_packages,
    conflicts,
    duplicates,
    interpreter,
    keyring,
    lock,
    marker,
    other_python,
    packages,
    pip,
    poetry_itself,
    profile,
    release,
    scripts,
)

REPAIRERS: Mapping[str, Repairer] = {
    "LOCK001": lock.make_readable,
    "LOCK002": lock.lock_again,
    "LOCK003": marker.say_platform,
    "LOCK004": release.move_on,
    "LOCK005": release.move_on,
    "POETRY001": poetry_itself.install,
    "POETRY002": poetry_itself.update,
    "POETRY003": poetry_itself.move_out,
    "POETRY006": keyring.switch_off,
    "PY001": interpreter.point_again,
    "PY002": interpreter.damaged,
    "PY011": scripts.point_again,
    "PY012": pip.bring_back,
    "PY013": base_packages.switch_off,
    "PKG001": packages.mend,
    "PKG002": conflicts.mend,
    "PKG003": packages.for_this_platform,
    "PKG008": packages.without_leftovers,
    "PKG009": duplicates.mend,
    "PROJ002": other_python.rebuild,
    "EXT003": conflicts.mend,
}
# What mends every finding of its kind at once.
TOGETHER: frozenset[Repairer] = frozenset((conflicts.mend, profile.install))

"""An advisory lock on an open file, for POSIX and Windows.

Not a library: the lock must pass to children. Installers inherit the descriptor, so that after the
doctor was killed outright the next run waits for an orphaned installer instead of working against
it. See docs/decisions/0004-locks-pass-to-children.md.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":  # pragma: no cover - untested on the real system
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Take the lock if nobody has it. Children do not inherit it on Windows."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Give the lock back."""
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Take the lock if nobody has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Give the lock back; closing alone leaves it with a child that is still alive."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)

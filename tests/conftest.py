"""Fixtures for every test."""

import signal

from support.fixtures import env, fake_nvml, loopback_index

__all__ = ["env", "fake_nvml", "loopback_index"]

# Started in the background of a shell or under nohup, this process ignores signals, and so would
# every program that a test starts and then interrupts.
for _name, _usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

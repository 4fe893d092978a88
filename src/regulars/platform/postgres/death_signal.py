"""A child that ends when its parent is killed with -9: the kernel tells it.

Chosen over a pipe whose end the child watches because the child (PostgreSQL) need not know of it. Decides nothing about
which signal means what to the child.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def choose_death_signal(number: signal.Signals) -> Callable[[], None] | None:
    """What a child does between fork and exec so that the kernel sends it ``number`` when its parent dies.

    For ``preexec_fn``, which Python calls after dropping privileges: dropping them later would clear the wish. The
    kernel means the *thread* that started the child. So nothing is wished elsewhere than in the main thread, whose
    end is the process's; nor on systems without the call: there the next start ends what was left.
    """
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return None
    # Looked up before the fork: between fork and exec as little as possible may run.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def wish() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the wish was heard
            os._exit(1)

    return wish

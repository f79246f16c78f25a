"""Waiting for a condition, with a deadline and a reason."""

import time

POLL_SEC = 0.05


class Timeout(Exception):
    """A condition did not come true in time; the text says which and what was seen last."""


def wait_for(what, condition, timeout=30.0, poll=POLL_SEC, ignore=()):
    """Calls condition() until it returns something true, and returns that.

    what: named in the error. ignore: exception types that count as "not yet".
    """
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = repr(value)
        except ignore as e:
            last = f"{type(e).__name__}: {e}"
        if time.monotonic() >= deadline:
            raise Timeout(f"{what}: not within {timeout:g} s, last seen: {last[:600]}")
        time.sleep(poll)


def holds_for(what, condition, seconds, poll=POLL_SEC):
    """Asserts that condition() stays true for so long: for "nothing happens" claims."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            raise AssertionError(f"{what}: no longer true before {seconds:g} s were over")
        time.sleep(poll)

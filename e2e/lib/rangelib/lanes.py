"""Several tests at a time: each lane is a process with servers and fixtures of its own.

A lane reads the number of a test from its stdin, runs it, and prints what belongs to it; the line
that says "ok" or "not ok" ends that. Most of a test is waiting, so two lanes take half the time.
"""

import os
import selectors
import signal
import subprocess

from .proc import ends_with_us

RESULTS = ("ok ", "not ok ")
END_SEC = 120
READ_BYTES = 65536


class Lane:
    def __init__(self, argv):
        self.process = subprocess.Popen(
            ends_with_us(argv, "TERM"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.test, self.text = None, b""

    def give(self, index, test):
        self.test = test
        try:
            self.process.stdin.write(b"%d\n" % index)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the end of its stdout tells

    def read(self):
        """The lines of a test once its last one is there, else []. Ended: raises EOFError."""
        data = os.read(self.process.stdout.fileno(), READ_BYTES)
        if not data:
            raise EOFError
        self.text += data
        lines = self.lines()
        if not lines or not lines[-1].startswith(RESULTS) or not lines[-1].endswith("\n"):
            return []
        self.test, self.text = None, b""
        return lines

    def lines(self):
        return self.text.decode(errors="replace").splitlines(keepends=True)

    def end(self):
        """No more tests: the lane takes its servers down."""
        if not self.process.stdin.closed:
            self.process.stdin.close()


def result_of(block):
    if block[-1].startswith("not"):
        return "not ok"
    return "skip" if " # SKIP " in block[-1] else "ok"


def lost(lane):
    """What is left of a lane that is gone: a test that it did not end has failed."""
    code, lines = lane.process.wait(), lane.lines()
    if lane.test:
        lines += [f"# its lane ended with {code}\n", f"not ok - {lane.test.name}\n"]
    return lines


def run_lanes(tests, n, argv, results):
    """Runs tests on n lanes of this command, those that may take longest first; results takes what
    became of each."""
    waiting = sorted(range(len(tests)), key=lambda i: -tests[i].timeout)
    lanes = [Lane(argv) for _ in range(n)]
    watch = selectors.DefaultSelector()
    owners = {}  # of what only one lane shall bring up: a cluster of true nodes
    for lane in lanes:
        watch.register(lane.process.stdout, selectors.EVENT_READ, lane)

    def is_for(lane, index):
        own = [n for n in tests[index].needs if n.startswith("kubeadm:")]
        return all(owners.setdefault(n, lane) is lane for n in own)

    def next_test(lane):
        index = next((i for i in waiting if is_for(lane, i)), None)
        if index is None:
            return lane.end()
        waiting.remove(index)
        return lane.give(index, tests[index])

    def take(lane):
        try:
            block = lane.read()
        except EOFError:
            watch.unregister(lane.process.stdout)
            block = lost(lane)
        print("".join(block), end="", flush=True)
        if block and block[-1].startswith(RESULTS):
            results.append(result_of(block))
            next_test(lane)

    try:
        for lane in lanes:
            next_test(lane)
        while watch.get_map():
            for key, _ in watch.select():
                take(key.data)
        results += ["not ok"] * len(waiting)
    finally:
        stop(lanes)


def stop(lanes):
    for lane in lanes:
        if lane.process.poll() is None:
            lane.process.send_signal(signal.SIGTERM)
    for lane in lanes:
        try:
            lane.process.wait(END_SEC)
        except subprocess.TimeoutExpired:
            lane.process.kill()

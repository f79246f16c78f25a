"""Windows and lengths as people see them."""

import os
import re

from rangelib import product
from rangelib.harness import check, test
from test_faces import FIRST, NEEDS, PLAN, RUN_SEC, SECOND, Fleet, cli, daemon, ok, wait_run

WINDOW = {
    "kind": "WindowPolicy",
    "metadata": {"name": "second-tuesday"},
    "spec": {
        "timeZone": "America/New_York",
        "open": [{"weekday": "tuesday", "nth": 2, "start": "08:00", "end": "17:00"}],
        "lastHopStart": "3h",
        "notice": "40d",
    },
}
POLICIES = "  policies: {gates: demo}\n"
SHOWN = (
    r"^window second-tuesday: Tue \d{4}-\d\d-\d\d 08:00-17:00 E[SD]T \(in \d+d[0-9h]*\), "
    r"no hop after 14:00$"
)


def windowed(fleet):
    """The same plan, on the second Tuesday of a month."""
    path = os.path.join(fleet.checkout, "policies", "windows.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(product.documents(WINDOW))
    fleet.edit("upgrade.yaml", POLICIES, "  policies: {gates: demo, window: second-tuesday}\n")


@test("plan says when, how long and from what; its own last upgrade counts", needs=NEEDS,
      timeout=240)
def test_plan(t):
    fleet = Fleet(t)
    state = os.path.join(t.folder, "state")
    plain = ok(product.cli("plan", PLAN, fleet.checkout), "plan")
    check("window" not in plain and "ABOUT" in plain, plain)
    check(re.search(rf"{FIRST} .* 1h\d\dm\+", plain) and "+ at least that" in plain, plain)
    fleet.edit("upgrade.yaml", "version: 4.21.10", "version: 4.21.9")
    ok(product.cli("run", "--state", state, PLAN, fleet.checkout, timeout=RUN_SEC), "run")
    fleet.edit("upgrade.yaml", "version: 4.21.9", "version: 4.21.10")
    windowed(fleet)
    text = ok(product.cli("plan", "--state", state, PLAN, fleet.checkout), "plan --state")
    check(re.search(SHOWN, text, re.M), text)
    check(re.search(rf"{FIRST} .* \d\ds$", text, re.M), text)
    check(f"about: as the cluster's own last upgrade took ({PLAN}#1)" in text, text)
    check("+ at least" not in text, text)


@test("a run waits for its window, and status says what was pushed meanwhile", needs=NEEDS,
      timeout=120)
def test_waits(t):
    fleet = Fleet(t)
    windowed(fleet)
    fleet.push("on the second Tuesday")
    d = daemon(t, fleet).start()
    wait_run(d, "the run is there", lambda run: run["clusters"])
    text = ok(cli(d, "status"), "status")
    check(re.search(rf"{FIRST} +pending .*waits: the notice time of its window is over", text), text)
    check("the notice time of its window is over" in ok(cli(d, "why", FIRST), "why"), "why")
    path = os.path.join(fleet.checkout, "policies", "windows.yaml")
    frozen = {**WINDOW["spec"], "blackouts": [
        {"name": "freeze", "from": "2026-01-01", "to": "2036-12-31"}]}
    with open(path, "w", encoding="utf-8") as f:
        f.write(product.documents({**WINDOW, "spec": frozen}))
    fleet.push("a freeze")
    wait_run(d, "the newer policy is seen", lambda run: run["newer"])
    status = ok(cli(d, "status"), "status")
    check(re.search(rf"newer version of WindowPolicy/second-tuesday at [0-9a-f]{{7}}: {PLAN}#1 goes "
                    "on with what it began with; state: suspended in Git stops it", status), status)
    fleet.edit("upgrade.yaml", "spec:\n", "spec:\n  state: suspended\n")
    fleet.push("stop")
    wait_run(d, "it is suspended", lambda run: any(h["cause"] == "git" for h in run["holds"]))
    check(SECOND in ok(cli(d, "status"), "status"), "both clusters are listed")

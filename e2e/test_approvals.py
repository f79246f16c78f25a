"""Approvals over the real socket: who says yes is who the socket's peer is."""

import json
import os
import pwd
import re
import subprocess

from rangelib import product
from rangelib.harness import check, equal, need_root, test
from rangelib.wait import wait_for
from test_faces import FIRST, NEEDS, PLAN, RUN_SEC, SECOND, Fleet, cli, daemon, ok, outcomes, runs

# Accounts that every Debian has; the policy below names them, the role their groups.
ANN, BOB, CY, STRANGER = "daemon", "games", "bin", "nobody"
POLICY = {
    "kind": "ApprovalPolicy",
    "metadata": {"name": "four-eyes"},
    "spec": {
        "quorum": 2,
        "groups": [
            {"name": "platform", "users": [ANN, BOB], "need": 1},
            {"name": "research-it", "users": [CY], "need": 1},
        ],
        "expires": "72h",
        "breakGlass": {"groups": ["platform"]},
    },
}


def site(t):
    """Two clusters in two waves; the second one waits for four eyes."""
    fleet = Fleet(t)
    fleet.edit("upgrade.yaml", "    - name: hub\n", "    - name: hub\n      approval: four-eyes\n")
    path = os.path.join(fleet.checkout, "policies", "approvals.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(product.documents(POLICY))
    fleet.push("four eyes for the hub")
    d = daemon(t, fleet)
    with open(d.config, encoding="utf-8") as f:
        config = json.load(f)
    config["spec"]["roles"] = {"approve": ["daemon", "games", "bin"], "read": ["*"]}
    with open(d.config, "w", encoding="utf-8") as f:
        json.dump(config, f)
    d.start()
    for folder in (t.folder, os.path.dirname(t.folder), os.path.dirname(d.api)):
        os.chmod(folder, 0o755)
    wait_for(
        "the second wave asks",
        lambda: (r := runs(d)) and r[-1]["question"] and r[-1]["exitCode"] == 3, RUN_SEC)
    return fleet, d


def approve(d, user, *args):
    """shiplock approve, typed by another user."""
    who = pwd.getpwnam(user)
    return subprocess.run(
        [product.binary("shiplock"), "approve", "--socket", d.api, *args, SECOND],
        capture_output=True, text=True, timeout=30, cwd="/",
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1", "LANG": "C.UTF-8"},
        user=who.pw_uid, group=who.pw_gid, extra_groups=[],
    )


def refused(done, code, words):
    equal(done.returncode, code, f"{done.stdout}{done.stderr}")
    check(words in done.stderr, done.stderr)


@test("four eyes: two people over the socket, one of each group", needs=NEEDS, timeout=240)
def test_four_eyes(t):
    need_root()
    _, d = site(t)
    status = ok(cli(d, "status"), "status")
    wanted = rf"{SECOND} +wave hub waits for approval four-eyes, 0 of 2, group platform is missing"
    check(re.search(wanted + f" +shiplock approve {SECOND}", status), status)
    of_run = ok(cli(d, "why", runs(d)[-1]["name"]), "why RUN")
    check(f"shiplock approve {SECOND}" in of_run and "0 of 2, group platform" in of_run, of_run)
    refused(approve(d, STRANGER), 1, "needs the role approve")
    root = cli(d, "approve", SECOND)
    refused(root, 1, "root does not count for approval four-eyes: it asks platform")
    done = approve(d, ANN)
    check("1 of 2, group research-it is missing" in ok(done, "the first yes"), done.stdout)
    check(re.search(r"Approval +approval four-eyes of digest [0-9a-f]{8}: 0 of 2", done.stdout),
          done.stdout)
    refused(approve(d, ANN), 1, f"{ANN} has said yes already: 1 of 2")
    refused(approve(d, CY, "--reject"), 64, "--reject needs --reason TEXT")
    refused(approve(d, CY, "--reject", "--break-glass", "--reason", "x"), 64, "not both")
    done = approve(d, CY, "--reject", "--reason", "exam week")
    check("is rejected by bin: exam week" in ok(done, "a no"), done.stdout)
    why = ok(cli(d, "why", SECOND), "why")
    for words in ("bin said no: exam week", f"{ANN} said yes", "approve --break-glass"):
        check(words in why, why)
    stale = {"expect": {"digest": "sha256:" + 64 * "0"}}
    equal(d.order(f"/v1/clusters/{SECOND}/approve", stale)[0], 409, "another question")
    equal(d.call("POST", f"/v1/clusters/{SECOND}/approve", {"reject": True})[0], 422, "no reason")
    done = approve(d, CY, "--for", "wave")
    check("wave hub of" in ok(done, "the second yes") and "may start" in done.stdout, done.stdout)
    wait_for("the run ends", lambda: runs(d)[-1]["state"] == "ended", RUN_SEC)
    equal(outcomes(runs(d)[-1]), {FIRST: "Succeeded", SECOND: "Succeeded"}, "outcomes")
    equal(runs(d)[-1]["glass"], [], "no glass was broken")
    records = d.call("GET", "/v1/audit")[1]["records"]
    said = [(r["body"]["who"], r["body"]["uid"], r["body"]["reject"])
            for r in records if r["kind"] == "approval"]
    uid = {u: pwd.getpwnam(u).pw_uid for u in (ANN, CY)}
    equal(said, [(ANN, uid[ANN], False), (CY, uid[CY], True), (CY, uid[CY], False)], "approvals")


@test("a broken glass is loud in every report", needs=NEEDS, timeout=240)
def test_glass(t):
    need_root()
    fleet, d = site(t)
    refused(approve(d, BOB, "--break-glass"), 64, "--break-glass needs --reason TEXT")
    refused(approve(d, CY, "--break-glass", "--reason", "x"), 1,
            "bin may not break the glass of approval four-eyes: that is for platform")
    done = approve(d, BOB, "--break-glass", "--reason", "the certificates end at 4")
    check("may start" in ok(done, "break glass"), done.stdout)
    junit = os.path.join(t.folder, "junit.xml")
    end = cli(d, "run", "--junit", junit, PLAN, fleet.checkout, timeout=RUN_SEC)
    loud = "GLASS BROKEN for wave hub by games"
    check(loud in ok(end, "run"), end.stdout)
    with open(junit, encoding="utf-8") as f:
        text = f.read()
    check('<testsuite name="GLASS BROKEN"' in text and "the certificates end at 4" in text, text)
    equal(len(runs(d)), 1, "the same run")
    check(loud in ok(cli(d, "status"), "status"), "status")
    check(loud in ok(cli(d, "why", SECOND), "why"), "why")
    text = ok(cli(d, "why", runs(d)[-1]["name"]), "why RUN")
    equal(text.count(loud), 1, text)
    audit = ok(cli(d, "audit", "show"), "audit show")
    check("GLASS BROKEN by games wave hub the certificates end at 4" in audit, audit)
    check("Succeeded, GLASS WAS BROKEN by games for wave hub: " in audit, audit)

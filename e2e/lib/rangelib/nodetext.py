"""The texts that the product runs on a node, to run them here: printed by a program of its tests."""

import json
import subprocess

from . import product

PROGRAM = "san/test/providers-kubeadm-texts"


def program():
    """The program; built where it is missing, since nobody else needs it."""
    path = product.binary(PROGRAM)
    if product.missing(PROGRAM):
        build = product.binary("").rstrip("/")
        subprocess.run(["make", "-s", "-C", product.REPO, f"B={build}", path], check=True)
    return path


def node_text(name, /, **arguments):
    """The text of this name (test-kubeadm-texts.c has them) with these arguments."""
    argv = [program(), "--text", name, json.dumps(arguments)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

"""The texts that the product runs on a node, to run them here: printed by a program of its tests."""

import json
import subprocess

from . import product

PROGRAM = "san/test/providers-kubeadm-texts"


def node_text(name, /, **arguments):
    """The text of this name (test-kubeadm-texts.c has them) with these arguments."""
    argv = [product.built(PROGRAM), "--text", name, json.dumps(arguments)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

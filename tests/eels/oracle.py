"""Answers state transitions: one JSON object with `args` and `input` a line, and a line with what `ethereum-spec-evm` says to it."""

import json
import logging
import sys
import tempfile
from io import StringIO

from ethereum_spec_tools.evm_tools import main
from ethereum_spec_tools.evm_tools.t8n import ForkCache


def answer(request, cache, work):
    """What t8n prints for these arguments and this standard input."""
    out = StringIO()
    args = ["t8n", *request["args"], f"--output.basedir={work}"]
    code = main(args, out, StringIO(json.dumps(request["input"])), cache)
    return json.loads(out.getvalue()) if code == 0 else {"failed": code}


if __name__ == "__main__":
    # Every transaction that is left out would be a line.
    logging.disable()
    with ForkCache() as forks, tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line), forks, folder)), flush=True)

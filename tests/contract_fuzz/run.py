"""Schemathesis over both listeners of a service that runs.

Usage: run.py READY_FILE [ARGUMENT...], a file with the line of `credenza dev --json` and what to tell Schemathesis
beside the settings. Run by `.ci/contract-fuzz`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

HERE = Path(__file__).parent
with open(sys.argv[1], encoding="utf-8") as file:
    READY = json.loads(file.readline())


def ask(method, path, body=None):
    answer = requests.request(
        method, READY["url"] + path, json=body, headers={"X-API-Key": READY["api_key"]}, timeout=20
    )
    answer.raise_for_status()
    return answer.json()


def run(listener, key, **environment):
    """Exit code of a run over one listener."""
    schemathesis = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")]
    command = [*schemathesis, "run", READY[listener] + "/openapi.json", *sys.argv[2:]]
    environment = {
        **os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "API_KEY": key, **environment
    }
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, env=environment, cwd=folder, check=False).returncode


keys = ask("GET", "/extra/v2/api-keys")["results"]
client = ask("POST", "/extra/v2/oauth-clients", {"name": "the run's own"})
subaccount = ask("POST", "/extra/v2/subaccounts", {"name": "acted for", "external_customer_id": "the run's own"})
shared = {
    "OUR_KEYS": ",".join([*(key["id"] for key in keys), client["id"]]),
    "CLIENT_ID": client["client_id"],
    "CLIENT_SECRET": client["client_secret"],
    "SUBACCOUNT": str(subaccount["id"]),
}
codes = [run("url", READY["api_key"], **shared), run("internal_url", READY["resolver_key"], **shared)]
# The run was of no use if it lost its key on the way.
assert ask("GET", "/me")["id"] == READY["account_id"]
sys.exit(max(codes))

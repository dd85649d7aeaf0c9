"""Clusters of processes on this machine."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def free_ports(count):
    """Returns ports that nobody listens on just now."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def start(arguments, count, **options):
    """Starts `python ARGUMENTS` as `count` workers; returns the processes, the first of which is the chief."""
    workers = [f"localhost:{port}" for port in free_ports(count)]
    return [start_one(arguments, workers, index, **options) for index in range(count)]


def start_one(arguments, workers, index, **options):
    """Starts `python ARGUMENTS` as worker `index` of those at the addresses `workers`."""
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    environment = os.environ | {"TF_CONFIG": json.dumps(config), "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, **pipes | options)


def finish(processes, seconds=240):
    """Returns (exit code, output) of each."""
    outputs = [process.communicate(timeout=seconds)[0] for process in processes]
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]

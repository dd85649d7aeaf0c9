"""What a figure was measured on: a line in each JSON that a benchmark writes."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "numpy", "jax", "torch", "transformers", "onnxruntime", "openvino")


def machine():
    """Returns the processor, its cores, the day and the versions of what is installed, in words."""
    versions = [f"Python {platform.python_version()}", *filter(None, map(_version, PACKAGES))]
    return f"{_processor()}, {os.cpu_count()} cores; {datetime.date.today().isoformat()}; {', '.join(versions)}"


def _version(package):
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    told = Path("/proc/cpuinfo")  # Linux; elsewhere Python knows it
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

"""One worker of the reference run: `reference_worker.py OUT.npz DTYPE MICRO_BATCHES`."""

import sys

import numpy as np

from tests.training.reference import reference_run

if __name__ == "__main__":
    out, dtype, micro_batches = sys.argv[1:]
    losses, snapshots = reference_run("multi_worker", micro_batches=int(micro_batches), dtype=dtype, calls=(1, 11, 12))
    arrays = {f"{step}/{index}": a for step, arrays in snapshots.items() for index, a in enumerate(arrays)}
    np.savez(f"{out}.{np.random.default_rng().integers(1 << 30)}.npz", losses=losses, **arrays)

"""The hosts of a run: who they are, by TF_CONFIG, and what they have to agree on.

TF_CONFIG is what `tf.distribute` and most schedulers use: a JSON object with "cluster": {"worker": ["HOST:PORT", ...]}
and "task": {"type": "worker", "index": 0}; a "chief" comes before the workers.
"""

import contextlib
import json
import os
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from bit_keras.errors import RunError, UserError

EXAMPLE = '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": {"type": "worker", "index": 0}}'
# What the survivors of a cluster get when one of them has gone: these were seen, or are its documented meaning.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.DeadlineExceededError,
)


@dataclass(frozen=True)
class Members:
    """The `addresses` of all hosts in order, and which of them this process is."""

    addresses: tuple[str, ...]
    index: int


def members_of_environment():
    """Returns the `Members` in TF_CONFIG.

    Raises:
        UserError: if it is not set, or broken.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        unknown = sorted(cluster.keys() - {"chief", "worker"})
        members = _members(cluster, task["type"], int(task["index"]))
        addresses = members.addresses
        ports = [int(address.rpartition(":")[2]) for address in addresses]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"Expected TF_CONFIG such as {EXAMPLE}, with the index of this process, for strategy='multi_worker'. "
            f"Received: {text or 'nothing'}."
        ) from error
    if unknown or len(set(addresses)) < len(addresses) or not all(0 < port < 1 << 16 for port in ports):
        raise UserError(
            f"Expected TF_CONFIG with workers, and perhaps a chief, each at an address of its own. Received: {text}."
        )
    return members


def _members(cluster, kind, index):
    """Returns the `Members` of {"chief", "worker": addresses}, of which this is number `index` of its kind."""
    order = [(kind, index) for kind in ("chief", "worker") for index in range(len(cluster.get(kind, [])))]
    return Members(tuple(cluster[kind][index] for kind, index in order), order.index((kind, index)))


class Cluster:
    """The hosts that a strategy spans, of which this process is number `host` of `hosts`."""

    def __init__(self, strategy):
        self.strategy = strategy
        resolver = strategy.cluster_resolver
        is_several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and resolver is not None
        spec = resolver.cluster_spec().as_dict() if is_several else {}
        members = _members(spec, resolver.task_type, resolver.task_id) if spec else Members(("",), 0)
        self.host, self.hosts, self.addresses = members.index, len(members.addresses), members.addresses

    @property
    def is_chief(self):
        """Whether this host writes what is written."""
        return self.host == 0

    @property
    def local_replicas(self):
        """Replicas on this host."""
        return self.strategy.num_replicas_in_sync // self.hosts

    def gather(self, number):
        """Returns every host's `number`, to six places and in order, to each of them."""
        if self.hosts == 1:
            return np.array([float(number)])
        own = tf.one_hot(self.host, self.hosts, dtype=tf.float64) * number / self.local_replicas
        sums = self.strategy.experimental_local_results(self._sum(own))
        return np.round(sums[0].numpy(), 6)  # a third of 1 three times is less than 1

    def barrier(self):
        """Returns when every host has come here."""
        self.gather(0)

    @contextlib.contextmanager
    def told(self):
        """Turns what happens when a host has gone into a sentence."""
        try:
            yield
        except LOST as error:
            if self.hosts == 1:
                raise
            raise RunError(
                f"A worker of the cluster ({', '.join(self.addresses)}) has gone, so this one ends too. Look at the "
                "others for why, mend it and start all of them again; the run goes on from the last snapshot."
            ) from error

    @tf.function
    def _sum(self, own):
        def replica_sum(values):
            here = tf.identity(values)  # an argument has no device, and the reduction looks for one
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)

        return self.strategy.run(replica_sum, args=(own,))

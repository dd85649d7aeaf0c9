"""Which part of each global batch a host makes."""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Share:
    """Of each batch of B rows, host h of H makes rows h * B / H up to (h + 1) * B / H, in `parts`, one a replica.

    The default makes all of them at once.
    """

    host: int = 0
    hosts: int = 1
    parts: int = 1

    @classmethod
    def of(cls, context):
        """Returns the share of the host that a `tf.distribute.InputContext` speaks of."""
        hosts = context.num_input_pipelines
        return cls(context.input_pipeline_id, hosts, context.num_replicas_in_sync // hosts)

    def positions(self, batch_size, start, end):
        """Returns a dataset of this host's int64 positions, in order, of the batches from number `start` to `end`.

        Row r of batch b has the position b * batch_size + r.
        """
        rows = self.rows(batch_size)
        first = self.host * rows
        own = tf.data.Dataset.range(start * rows, end * rows)
        return own if self.hosts == 1 else own.map(lambda n: n // rows * batch_size + first + n % rows)

    def rows(self, batch_size):
        """Returns the rows of a batch that this host makes."""
        return batch_size // self.hosts

    def batched(self, dataset, batch_size):
        """Returns `dataset` of rows in batches for a replica each."""
        return dataset.batch(self.rows(batch_size) // self.parts, drop_remainder=True)


WHOLE = Share()

"""What a pre-training run is refused for before it begins, as it would fail hours later or on one host alone."""

import json
import queue
import socket
import threading
import zlib

import tensorflow as tf

from bit_keras.data.opening import open_data
from bit_keras.data.upstream import check_files
from bit_keras.errors import UserError
from bit_keras.evaluation.probing import check_probe_data

SERVICE_SECONDS = 10  # how long a data service may take to answer


def check_sources(settings, data, cluster):
    """What would be noticed after hours, or in the middle of a look."""
    if settings.probe_data is not None:
        check_probe_data(open_data(settings.probe_data, seed=settings.seed), settings.probe_data)
    if settings.shard_files:
        check_files(data.splits["train"], cluster.hosts)


def check_service(address):
    """Has the service make one number: TensorFlow would wait an hour for an absent one, and for ever for another."""
    results: queue.Queue = queue.Queue()
    threading.Thread(target=lambda: results.put(_answer_of(address)), daemon=True).start()
    try:
        reason = results.get(timeout=SERVICE_SECONDS)
    except queue.Empty:
        reason = f"no answer within {SERVICE_SECONDS} seconds"
    if reason:
        raise UserError(
            "Expected `data_service` as the address of a tf.data service that runs and has workers, "
            f"grpc://HOST:PORT. Received: {address!r} ({reason}). Start it, or do without."
        )


def _answer_of(address):
    """Returns what is wrong with the service at `address`; nothing if it answers."""
    try:
        host, _, port = address.removeprefix("grpc://").rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=SERVICE_SECONDS).close()
        service = tf.data.experimental.service.distribute("parallel_epochs", address)
        next(iter(tf.data.Dataset.range(1).apply(service)))
    except (AttributeError, OSError, ValueError, tf.errors.OpError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0]
    return ""


def check_labels(data, recipe):
    """Raises a `UserError` for several labels a picture under the softmax, which is for one."""
    if data.is_multi_label and recipe.loss != "sigmoid":
        raise UserError(
            f"Expected one label a picture for the softmax loss of {recipe.name}. Received: {data.name}, with several. "
            "Choose the recipe BiT-M, or loss='sigmoid'."
        )


def check_agreement(cluster, config, settings):
    """Raises a `UserError` unless all hosts were asked for the same: otherwise they would wait for one another."""
    asked = json.dumps([config, settings.save_every, settings.eval_every, bool(settings.probe_data)], sort_keys=True)
    digests = cluster.gather(zlib.crc32(asked.encode()))
    if len(set(digests)) > 1:
        odd = [index for index, digest in enumerate(digests) if digest != digests[0]]
        raise UserError(
            f"Expected the same command, data and versions on all hosts. Received others on {odd} (0 is the first). "
            "Start all of them alike."
        )

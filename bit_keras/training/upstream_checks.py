"""What a pre-training run is refused for before it begins, as it would fail hours later or on one host alone."""

import json
import socket
import zlib

from bit_keras.data.opening import open_data
from bit_keras.data.upstream import check_files
from bit_keras.errors import UserError

SERVICE_SECONDS = 10  # how long a data service may take to answer


def check_sources(settings, data, cluster):
    """What would be noticed after hours, or in the middle of a look."""
    if settings.probe_data is not None:
        open_data(settings.probe_data, seed=settings.seed).require_one_label()
    if settings.shard_files:
        check_files(data.splits["train"], cluster.hosts)


def check_service(address):
    """TensorFlow would wait for an absent service for an hour."""
    host, _, port = address.removeprefix("grpc://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SERVICE_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"Expected `data_service` as the address of a tf.data service that runs, grpc://HOST:PORT. Received: "
            f"{address!r} ({error}). Start it, or do without."
        ) from error


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
            f"Expected the same command, data and versions on all hosts. Received others on {odd} (0 is the "
            "first). Start "
            "all of them alike."
        )

"""`pretrain`: from pictures of any number of classes to a BiT of one's own."""

from typing import Any, TypedDict, Unpack

from bit_keras.models.variant import Normalization, Variant
from bit_keras.recipes.upstream import UpstreamRecipe
from bit_keras.training.running import Run, execute
from bit_keras.training.strategies import JOIN_SECONDS
from bit_keras.training.upstream import UpstreamSettings, prepare


class RecipeSettings(TypedDict, total=False):
    """The settings of the recipe that a call may change by name; see `UpstreamRecipe`."""

    epochs: float | None
    steps: int | None
    decay_epochs: tuple[float, ...] | None
    batch_size: int | None
    warmup_steps: int | None
    rate_per_256: float | None
    schedule: str | None
    weight_decay: float | None
    decay: str | None
    loss: str | None
    head_bias: float | None
    clip_norm: float | None
    crop: int | None
    eval_resize: int | None
    flip: bool | None
    scaled_decoding: bool | None
    min_area: float | None


def pretrain(
    data,
    *,
    variant: str | Variant,
    workdir,
    recipe: str | UpstreamRecipe = "BiT-S",
    seed: int = 0,
    strategy="auto",
    precision: str = "float32",
    micro_batches: int | None = None,
    xla: bool | None = None,
    remat: bool = False,
    normalization: Normalization = "group",
    weight_standardization: bool = True,
    strict: bool = False,
    resume: bool = True,
    save_every: int | None = None,
    eval_every: int | None = None,
    probe_data: Any = None,
    shard_files: bool = False,
    data_service: str | None = None,
    join_seconds: float = JOIN_SECONDS,
    **overrides: Unpack[RecipeSettings],
) -> Run:
    """Trains a BiT from random weights by a recipe of the paper, exports it, and returns the `Run`.

    Prints the plan first and shows a progress bar. Killed at any moment, the same call goes on from the last snapshot;
    the batches do not depend on the devices and hosts that share them. SIGTERM ends the process with 0; while it
    trains, the run is saved before.

    Args:
        data: "tfds:NAME" or "tfds:FOLDER" (prepared), "tfrecord:FOLDER", a folder of pictures, a `.csv`, "digits", or
            "formula:CLASSES".
        variant: a name such as "R50x1", or a `Variant`.
        workdir: the run folder: new, or one to go on with; in a cluster a folder that all hosts share.
        recipe: "BiT-S", "BiT-M", "BiT-L", big_vision's "bit_i1k" or "bit_i21k", or an `UpstreamRecipe`. It is scaled to
            the number of training pictures; the plan says what that changes.
        seed: of the order, the augmentation and the weights.
        strategy: "auto", "one", "mirrored", "mirrored:N", "multi_worker" (the hosts of TF_CONFIG), "tpu", or a
            `tf.distribute.Strategy`.
        precision: "float32", "mixed_bfloat16", or "mixed_float16", which scales the loss.
        micro_batches: equal parts that each device's batch is computed in; None for the smallest power of two whose
            activations fit half the free memory.
        xla: whether XLA compiles the normalizations and the optimizer's steps of kernels, which makes a step on CPUs
            faster and the first one slower; None decides by the arithmetic of the whole run.
        remat: whether the gradient computes the interiors of the units again instead of keeping them, for large
            pictures and networks: less memory, more time. Not with batch normalization.
        normalization: "group", as published, or "batch", for the paper's ablation.
        weight_standardization: False for plain convolutions, for the same.
        strict: whether a broken picture stops the run; otherwise it is named and left out. Those of record files are
            not looked at before; a broken one stops the run when its turn comes, and is named.
        resume: whether a run in `workdir` may go on.
        save_every: steps between snapshots; None for a twentieth of the run.
        eval_every: steps between looks at the validation pictures and the probe; None for a fifth of the run.
        probe_data: downstream data, as for `bit.probe`, whose few-shot probe each look runs; None for none.
        shard_files: whether each host reads record files of its own, one after the other: faster where the data is
            larger than memory, but the batches then depend on the number of hosts, and on where a run was resumed.
        data_service: address of a tf.data service whose workers read and decode, "grpc://HOST:PORT". Several
            workers make the batches of other pictures than one does.
        join_seconds: how long a host waits for the others to come.
        **overrides: settings of the recipe where they should depart from it; `steps` is another way to give `epochs`.

    Raises:
        DataError: for data that cannot be used; `BrokenPicturesError` for broken pictures if `strict`.
        RunError: for a folder that holds another run, a host that does not come or has gone, or a loss that is no
            longer finite. Where the first host has gone, the processes of the others may end with 1 and a sentence
            instead, as they wait inside TensorFlow.
        SaveError: if something cannot be written; the last snapshot stays.
        UserError: for a setting outside its range.
    """
    session = prepare(
        UpstreamSettings(
            data=data,
            variant=variant,
            workdir=workdir,
            recipe=recipe,
            seed=seed,
            strategy=strategy,
            precision=precision,
            micro_batches=micro_batches,
            xla=xla,
            remat=remat,
            normalization=normalization,
            weight_standardization=weight_standardization,
            strict=strict,
            resume=resume,
            save_every=save_every,
            eval_every=eval_every,
            probe_data=probe_data,
            shard_files=shard_files,
            data_service=data_service,
            join_seconds=join_seconds,
            overrides={name: value for name, value in overrides.items() if value is not None},
        )
    )
    if session.cluster.is_chief:
        print(session.plan)
    return execute(session)

"""A BiT for others to serve, in a format of theirs."""

from os import PathLike
from pathlib import Path

from bit_keras.errors import UserError
from bit_keras.exporting.onnx import write_onnx
from bit_keras.exporting.saved_model import write_saved_model

FORMATS = ("saved_model", "onnx")


def export(
    model_or_run,
    out: str | PathLike,
    *,
    format: str = "saved_model",
    class_names=None,
    image_size: int | None = None,
    fold: bool = False,
    xla: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes a BiT in float32 as a SavedModel folder or as an ONNX file, and returns its path.

    What is written is read back first: its outputs for two random pictures must be the model's.

    "saved_model": load it with `obj = tf.saved_model.load(out)` or `hub.load(out)`.

    - `obj(images, training=False)`: float32 (batch, height, width, 3) in [0, 1], one or more of any size, to logits
      (batch, classes), or to features (batch, 2048 * width) of a headless model. `obj.trainable_variables` have the
      canonical names.
    - `obj.signatures["serving_default"](image_bytes=...)`: encoded JPEG, PNG, BMP or GIF pictures (batch,) to
      "class_names" and "scores" (batch, classes), likeliest first; of a headless model to "features".
    - `obj.signatures["features"](images=...)`: as the call, to "features".

    `assets/labels.txt` has the class names in the order of the logits; `receipt.json` says how far the folder's logits,
    read back, are from the model's.

    "onnx": from the input "images", as of the call above, any batch and any size, to the output "logits" (batch,
    classes) or, of a headless model, "features". The metadata of the file have the class names and the image size, and
    the receipt. It needs the packages of the extra `onnx`, and the weights must be under 2 GB.

    Args:
        model_or_run: a `keras.Model`, a `Run`, or what `bit.load` takes.
        out: for a SavedModel the folder, which must not exist yet or be empty; for ONNX the file, named *.onnx, which
            must not exist yet.
        format: "saved_model" or "onnx".
        class_names: one for each output; None takes the run's, else numbers.
        image_size: side of the square in pixels that encoded pictures are resized to, and with ONNX should be; None
            takes the run's, else 224.
        fold: writes the kernels as they are applied, standardized once instead of in each call: faster, most of all for
            single pictures, but nothing of it is trainable, and `bit.finetune` refuses it. `receipt.json` and
            `assets/bit_keras.json` say which it is ("folded"). ONNX files never train, and neither do copies of a
            folded SavedModel, so they are folded whatever this says.
        xla: for CPUs alone (others would round the statistics), where sizes and numbers of pictures are few: has XLA
            compile the normalizations of the folded SavedModel when it is first called with new ones, which takes
            seconds. Weights of up to 256 MiB are written twice, as variables, which `bit.load` reads, and as constants
            of the graph, which alone count when it is called; that takes memory: for an R50x1 (102 MB) 4.9 GB while it
            is written, 3.2 in use, and 0.7 more for each new size or number. Of larger weights all is compiled for one
            picture. `receipt.json` has "xla". Needs `fold`.
        overwrite: replaces an older SavedModel or ONNX file, once the new one is whole; anything else is never
            replaced.

    Raises:
        UserError: if `out` is no path, in use or named *.onnx without that format, the format is unknown, `xla` comes
            without `fold` or with ONNX, the class names are too few or too many, a headless model has other than
            average pooling, which an export of features could not be told apart from, or ONNX lacks its packages or is
            too small for the weights.
        SaveError: if it cannot be written, or computes something else than the model; nothing is left half done.
    """
    if not isinstance(out, (str, PathLike)):
        raise UserError(f"Expected `out` as a path. Received: out={out!r}.")
    if format == "saved_model" and Path(out).suffix == ".onnx":
        raise UserError(f"Expected a folder for a SavedModel. Received: {out}. For ONNX, give the format, 'onnx'.")
    if format not in FORMATS:
        raise UserError(f"Expected `format` 'saved_model' or 'onnx'. Received: format={format!r}.")
    if xla and (format == "onnx" or not fold):
        raise UserError(
            "Expected `xla` with `fold` and the format 'saved_model', as what is compiled does not train. Received: "
            f"xla=True, fold={fold}, format={format!r}."
        )
    options = {"class_names": class_names, "image_size": image_size, "overwrite": overwrite}
    if format == "onnx":
        return write_onnx(Path(out), model_or_run, **options)
    return write_saved_model(Path(out), model_or_run, **options, fold=fold, xla=xla)

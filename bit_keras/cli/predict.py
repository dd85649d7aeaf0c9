"""`bit-keras predict MODEL PICTURE ...`."""

import json
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

from absl import flags

from bit_keras.cli.command import Command, define_model_flags, expect
from bit_keras.errors import BrokenPicturesError, UserError

FLAGS = flags.FlagValues()
define_model_flags(FLAGS)
flags.DEFINE_integer("top", 3, "how many classes to name", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 32, "pictures at a time", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_boolean("json", False, "print a JSON object a picture", flag_values=FLAGS)
flags.DEFINE_boolean(
    "strict", False, "stop with exit code 2 if a picture is broken, instead of leaving it out", flag_values=FLAGS
)


@dataclass(frozen=True)
class Config:
    """The arguments of `bit.predict`, and how to print."""

    model: str
    images: tuple[str, ...]
    labels: str | None
    image_size: int | None
    top: int
    batch_size: int
    json: bool
    strict: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    model, *images = expect(positional, ["MODEL", "PICTURE"], more=True)
    return Config(model, tuple(images), **flag_values.flag_values_dict())


def execute(config):
    """Prints the likeliest classes of each picture."""
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.data.checking import describe
    from bit_keras.evaluation.predicting import predict_readable

    arguments = {key: value for key, value in asdict(config).items() if key not in ("json", "strict", "images")}
    with warnings.catch_warnings(record=True) as notes:
        predictions, broken = predict_readable(images=_pictures(config.images), **arguments)
    for note in notes:
        if note.category is UserWarning:
            print(f"bit-keras: {note.message}", file=sys.stderr)
    for prediction in predictions:
        print(json.dumps(asdict(prediction)) if config.json else _row(prediction))
    if broken:
        if config.strict or not predictions:
            raise (BrokenPicturesError if config.strict else UserError)(describe(broken))
        print(describe(broken), file=sys.stderr)


def _pictures(arguments):
    """Folders stand for the pictures in them."""
    from bit_keras.data.folder import pictures_in

    found = [path for name in arguments for path in (pictures_in(Path(name)) if Path(name).is_dir() else [name])]
    if not found:
        raise UserError(f"There are no pictures in {', '.join(arguments)}.")
    return found


def _row(prediction):
    pairs = zip(prediction.class_names, prediction.scores, strict=True)
    return f"{prediction.source}: " + ", ".join(f"{name} {score:.1%}" for name, score in pairs)


COMMAND = Command(
    "bit-keras predict MODEL PICTURE ...",
    "Names what is on pictures, likeliest first. MODEL is a run folder, a SavedModel, a weights file or a preset;\n"
    "a PICTURE may be a folder of pictures.",
    FLAGS,
    configure,
    execute,
)

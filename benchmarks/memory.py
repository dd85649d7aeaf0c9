"""Peak memory of training steps, measured in fresh processes, beside what `bit.fit_to` expects of them.

The peak is the largest resident set of the process in three steps, on batches made as in fine-tuning with mixup, beyond
what it has once TensorFlow is imported.
Prints a table and writes benchmarks/memory.json, in which cases of earlier runs stay that this one has not.

    python benchmarks/memory.py [--cases=R50x1:480:2:float32:kept:1:plain,...]
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from argument_types import count
from machine import machine

from bit_keras.models.variant import Variant

# variant : pixels : pictures at a time : precision : kept or remat : parts of a batch : plain or xla; and `keep` where
# the 1,439 resized pictures of the data set stay in memory, as in fine-tuning if they fit
CASES = (
    "R50x1:480:1:float32:kept:1:plain",
    "R50x1:480:2:float32:kept:1:plain",
    "R50x1:480:4:float32:kept:1:plain",
    "R50x1:480:2:float32:kept:2:plain",
    "R50x1:480:1:float32:remat:1:plain",
    "R50x1:480:2:float32:remat:1:plain",
    "R50x1:480:4:float32:remat:1:plain",
    "R50x1:480:8:float32:remat:1:plain",
    "R50x1:480:2:float32:remat:2:plain",
    "R50x1:480:2:mixed_bfloat16:kept:1:plain",
    "R50x1:480:4:mixed_bfloat16:kept:1:plain",
    "R50x1:480:4:mixed_bfloat16:remat:1:plain",
    "R101x1:480:1:float32:kept:1:plain",
    "R101x1:480:2:float32:remat:1:plain",
    "R50x2:224:4:float32:kept:1:plain",
    "R50x2:224:4:float32:remat:1:plain",
    "R26x1:480:2:float32:kept:1:plain",
    "R14x0.5:480:1:float32:remat:64:plain",
    "R14x0.5:480:4:float32:kept:32:plain",
    "R14x0.5:480:1:float32:remat:256:plain",
    "R26x1:480:2:float32:kept:16:plain",
    "R14x0.5:416:16:float32:kept:1:plain:keep",
    "R50x1:480:1:float32:kept:1:xla",
    "R50x1:480:2:float32:kept:1:xla",
    "R50x1:480:4:float32:kept:1:xla",
    "R50x1:480:2:float32:kept:2:xla",
    "R50x1:480:1:float32:remat:1:xla",
    "R50x1:480:4:float32:remat:1:xla",
    "R50x1:480:4:mixed_bfloat16:remat:1:xla",
    "R50x1:480:2:mixed_bfloat16:kept:1:xla",
    "R50x1:480:4:mixed_bfloat16:kept:1:xla",
    "R101x1:480:1:float32:kept:1:xla",
    "R101x1:480:2:float32:remat:1:xla",
    "R50x2:224:4:float32:kept:1:xla",
    "R50x2:224:4:float32:remat:1:xla",
    "R26x1:480:2:float32:kept:1:xla",
    "R14x0.5:480:4:float32:kept:32:xla",
    "R26x1:480:2:float32:kept:16:xla",
)
PRECISIONS, FORMS, COMPILERS = ("float32", "mixed_bfloat16"), ("kept", "remat"), ("plain", "xla")
CLASSES, STEPS, EXAMPLES = 1000, 3, 1439


def measured(variant, side, pictures, precision, form, parts, compiler, keep):
    """Returns the peak bytes of this process, which has done nothing before."""
    import psutil
    import tensorflow as tf

    import bit_keras as bit
    from bit_keras.data.batches import training_batches
    from bit_keras.data.opening import open_data
    from bit_keras.training.step import ReducedMomentum, TrainStep

    tf.constant(0) + 1  # TensorFlow makes its threads
    before = psutil.Process().memory_info().rss
    model = bit.build(variant, num_classes=CLASSES, seed=0, dtype=precision)
    options = {"batch_size": pictures * parts, "micro_batches": parts, "remat": form == "remat"}
    options["xla"] = compiler == "xla"
    step = TrainStep(model, ReducedMomentum(0.01, 0.9), tf.distribute.get_strategy(), **options)
    sizes = {"batch_size": pictures * parts, "resize": resized(side), "crop": side}
    rule = SimpleNamespace(**sizes, flip=True, mixup_alpha=0.1, scaled_decoding=False)
    examples = open_data("digits", seed=0, strict=False).splits["train"]
    batches = iter(training_batches(examples, rule, num_classes=CLASSES, seed=0, keep=keep))
    for _ in range(STEPS):
        step.run(batches, np.int32(1)).numpy()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before


def expected(variant, side, pictures, precision, form, parts, compiler, keep):
    """Returns the peak bytes by the model of `bit.fit_to`."""
    from bit_keras.data.keeping import kept_bytes
    from bit_keras.models.variant import Architecture
    from bit_keras.training.fitting import peak_bytes
    from bit_keras.training.memory import batches_bytes, cost_of

    cost = cost_of(Architecture(Variant.parse(variant), CLASSES), crop=side, dtype=precision)
    forms = {"precision": precision, "remat": form == "remat", "xla": compiler == "xla"}
    peak = peak_bytes(cost, pictures=pictures, is_divided=parts > 1, **forms)
    return peak + batches_bytes(pictures * parts, side) + keep * kept_bytes(EXAMPLES, resized(side))


def resized(side):
    """Returns the size before the crop."""
    return side * 16 // 15


def parsed(text):
    """Returns the arguments of `measured`."""
    if text.count(":") not in (6, 7):
        raise ValueError(f"expected 7 or 8 parts, received {text.count(':') + 1}")
    variant, side, pictures, precision, form, parts, compiler, *keep = text.split(":")
    for word, words in {precision: PRECISIONS, form: FORMS, compiler: COMPILERS}.items():
        if word not in words:
            raise ValueError(f"expected one of {', '.join(words)}, received {word}")
    if keep not in ([], ["keep"]):
        raise ValueError(f"expected keep or nothing, received {keep[0]}")
    Variant.parse(variant)
    return variant, count(side), count(pictures), precision, form, count(parts), compiler, bool(keep)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases",
        default=",".join(CASES),
        help="variant:pixels:pictures:precision:kept|remat:parts:plain|xla[:keep], with commas",
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a case to measure in this process
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(*parsed(options.one))))
        return
    cases = options.cases.split(",")
    try:
        for text in cases:
            parsed(text)
    except (ValueError, argparse.ArgumentTypeError) as error:
        parser.error(f"expected cases such as R50x1:480:2:float32:kept:1:plain, received {text} ({error})")
    heads = "network | pixels | pictures | precision | units | parts | normalizations | pictures"
    print(f"| {heads} | measured, GB | expected | expected / measured |\n|{'---|' * 11}")
    file = Path(__file__).with_suffix(".json")
    results = json.loads(file.read_text()) if file.exists() else {}
    for text in cases:
        command = [sys.executable, __file__, f"--one={text}"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        peak, guess = json.loads(done.stdout.splitlines()[-1]), expected(*parsed(text))
        results[text] = {"measured_bytes": peak, "expected_bytes": guess, "ratio": guess / peak, "measured": machine()}
        cells = " | ".join([*text.split(":"), ""][:8])
        print(f"| {cells} | {peak / 1e9:.2f} | {guess / 1e9:.2f} | {guess / peak:.2f} |", flush=True)
        file.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""From a folder of pictures to a served classifier, on scikit-learn's real handwritten digits.

Writes the digits as PNG files, fine-tunes the small BiT that ships with the package, tests it, exports it, and names
some pictures with the export. Ends with an error if fewer than 97 % of the test pictures are right.
"""

import csv
import shutil
import sys
from pathlib import Path

from bit_keras.cli.process import import_tensorflow

LEAST = 0.97  # of the test pictures


def main(root=Path("runs/demo"), seed=0):
    """Runs the demo in the new folder `root` and returns the test accuracy."""
    import_tensorflow()
    import bit_keras as bit
    from bit_keras.data.digits import write_digits

    shutil.rmtree(root, ignore_errors=True)
    print(f"Writing 1,797 handwritten digits to {root / 'digits'}.\n")
    write_digits(root / "digits")

    run = bit.finetune(
        root / "digits",
        model="BiT-F-R14x0.5",  # ships with the package, small enough for any laptop; "BiT-M-R50x1" is the paper's
        workdir=root / "run",
        seed=seed,
        resize=40,
        crop=32,
        flip=False,  # a mirrored digit is another digit
        batch_size=64,
        base_learning_rate=0.03,  # ten times the HyperRule's, which is for weights that have seen photos
    )

    accuracy, count = run.metrics["test_accuracy"], run.metrics["test_num_examples"]
    print(f"\nTest accuracy: {accuracy:.1%} ({round(accuracy * count)} of {count} pictures that training never saw)")
    print(f"SavedModel: {run.export_dir}. It names pictures on its own:")
    with open(root / "run" / "split.csv", newline="") as file:
        unseen = [row for row in csv.DictReader(file) if row["split"] == "test"]
    examples = unseen[:: len(unseen) // 5]
    predictions = bit.predict(run.export_dir, [row["path"] for row in examples])
    for prediction, row in zip(predictions, examples, strict=True):
        name = Path(row["path"]).name
        print(f"  {name}: {prediction.class_name} ({prediction.score:.1%} sure), labelled {row['label']}")
    return accuracy


if __name__ == "__main__":
    reached = main()
    if reached < LEAST:
        sys.exit(
            f"The demo reached {reached:.1%} and should reach {LEAST:.0%}: something is wrong with this installation."
        )

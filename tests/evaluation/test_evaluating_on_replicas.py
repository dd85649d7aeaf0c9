"""Several replicas measure what one does, to the last example."""

import numpy as np
import pytest
from scipy.special import log_softmax

import bit_keras as bit
from bit_keras.evaluation.evaluating import Evaluator
from bit_keras.training.strategies import make_strategy
from tests.data.making import in_memory
from tests.evaluation.conftest import SIZE


@pytest.fixture(scope="module")
def expected(small_model, pictures):
    """Returns a function from the number of pictures to their (accuracy, loss), by NumPy."""
    logits = small_model.predict(pictures[0] / np.float32(127.5) - 1, verbose=0).astype(np.float64)
    labels = logits.argmax(-1)  # all right but for every other one, so that what fills up a batch would be seen
    labels[1::2] = (labels[1::2] + 1) % 3
    right, losses = labels == logits.argmax(-1), -log_softmax(logits, axis=-1)[range(12), labels]
    return labels, lambda size: (right[:size].mean(), losses[:size].mean())


@pytest.fixture(scope="module")
def evaluator(small_model):
    """Returns a function from the number of replicas to an `Evaluator`; each graph is traced once."""
    evaluators = {}

    def make(replicas):
        if replicas not in evaluators:
            strategy = make_strategy("one" if replicas == 1 else f"mirrored:{replicas}")
            with strategy.scope():
                model = bit.build("R14x0.5", num_classes=3)
                model.set_weights(small_model.get_weights())
            evaluators[replicas] = Evaluator(model, strategy)
        return evaluators[replicas]

    return make


@pytest.mark.parametrize("size", [1, 5, 11])
@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_replicas_count_every_example_once_however_the_last_batch_falls(evaluator, pictures, expected, replicas, size):
    labels, measure = expected
    examples = in_memory(pictures[0][:size], labels[:size])
    metrics = evaluator(replicas).measure(examples, crop=SIZE, batch_size=8)
    accuracy, loss = measure(size)
    assert metrics["num_examples"] == size
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    # Other batches round otherwise, 2e-6 seen; an example too many or too few would change the mean by 0.01 and more.
    assert metrics["loss"] == pytest.approx(loss, abs=1e-5)

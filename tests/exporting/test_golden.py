"""The faster forms give the logits of the 2020 reference implementation."""

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from tests.models.seeding import assign_seeded
from tests.models.test_golden import PICTURES, UNITS

# Of the recording, in float32: so far are the logits of the model in float64 from it.
ROUNDING = 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("options", "constants"), [({}, None), ({"xla": True}, None), ({"xla": True}, 0)])
def test_folded_logits_are_those_of_the_reference(golden, tmp_path, options, constants, monkeypatch):
    if constants is not None:  # then all weights are too large to be constants
        monkeypatch.setattr("bit_keras.exporting.saved_model.CONSTANT_BYTES", constants)
    model = assign_seeded(bit.build("R50x1", num_classes=1000), UNITS["R50x1"], 1, 1000)
    module = tf.saved_model.load(str(bit.export(model, tmp_path / "out", fold=True, **options)))
    pixels = (PICTURES + 1) / 2
    singles = np.concatenate([module(pixels[:1]), module(pixels[1:])])  # by XLA, one may go a way of its own
    recorded = golden("forward.json")["R50x1-1000"]["logits"]["96x80"]["first"]
    for logits in (singles, module(pixels)):
        assert np.abs(logits[:, :16] - recorded).max() < ROUNDING + 1e-5

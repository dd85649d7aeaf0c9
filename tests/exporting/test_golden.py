"""The faster forms give the logits of the 2020 reference implementation."""

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import bit_keras as bit
from tests.models.seeding import assign_seeded
from tests.models.test_golden import PICTURES, UNITS

PIXELS = (PICTURES + 1) / 2


@pytest.fixture(scope="module")
def model():
    return assign_seeded(bit.build("R50x1", num_classes=1000), UNITS["R50x1"], 1, 1000)


@pytest.fixture(scope="module")
def recorded(golden):
    return np.asarray(golden("forward.json")["R50x1-1000"]["logits"]["96x80"]["first"])


@pytest.mark.slow
@pytest.mark.parametrize(("options", "constants"), [({}, None), ({"xla": True}, None), ({"xla": True}, 0)])
def test_folded_logits_are_those_of_the_reference(model, recorded, tmp_path, options, constants, monkeypatch):
    if constants is not None:  # then all weights are too large to be constants
        monkeypatch.setattr("bit_keras.exporting.saved_model.CONSTANT_BYTES", constants)
    assert difference(bit.export(model, tmp_path / "out", fold=True, **options), recorded) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"xla": True}])
def test_folded_logits_of_a_deeper_network_are_as_near_to_the_reference_as_its_rounding_allows(
    golden, tmp_path, options
):
    model = assign_seeded(bit.build("R101x1", num_classes=1000), UNITS["R101x1"], 1, 1000)
    recorded = np.asarray(golden("forward.json")["R101x1-1000"]["logits"]["96x80"]["first"])
    # The model in float64 is 2.2e-5 from the recording, which is in float32; unfolded in float32, 2.7e-5.
    assert difference(bit.export(model, tmp_path / "out", fold=True, **options), recorded) < 4e-5


def difference(folder, recorded):
    """Returns the largest difference of its logits from the recorded ones, for pictures alone and together."""
    module = tf.saved_model.load(str(folder))
    singles = np.concatenate([module(PIXELS[:1]), module(PIXELS[1:])])  # by XLA, one may go a way of its own
    return max(np.abs(logits[:, :16] - recorded).max() for logits in (singles, module(PIXELS).numpy()))


@pytest.mark.slow
def test_the_logits_of_the_onnx_file_are_those_of_the_reference(model, recorded, tmp_path):
    file = bit.export(model, tmp_path / "model.onnx", format="onnx")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"images": PIXELS.astype("float32")})[0]
    # The recording is in float32: the logits of the model in float64 are 0.9e-5 from it, and these on the other side.
    assert np.abs(logits[:, :16] - recorded).max() < 2e-5

"""Snapshots: all of the state comes back, and a damaged or foreign one is noticed."""

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.training import checkpoints
from bit_keras.training.step import ReducedMomentum, TrainStep


def trained(seed, variant="R14x0.5", dtype="float32"):
    """A step after `seed` steps whose every number is random."""
    model = bit.build(variant, num_classes=2, seed=seed, dtype=dtype)
    step = TrainStep(model, ReducedMomentum(0.1), tf.distribute.get_strategy(), batch_size=1)
    rng = np.random.default_rng(seed)
    for variable in step.state.values():
        variable.assign(rng.normal(size=variable.shape))
    step.optimizer.iterations.assign(seed)
    return step


def numbers(step):
    return [variable.numpy() for variable in [*step.model.variables, *step.optimizer.velocities]]


def test_restore_brings_back_weights_velocities_and_step(tmp_path):
    saved, other = trained(7), trained(8)
    checkpoints.save(tmp_path, saved)
    assert checkpoints.restore(tmp_path, other) == 7
    assert int(other.optimizer.iterations.numpy()) == 7
    for ours, theirs in zip(numbers(other), numbers(saved), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_to_restore_is_step_0(tmp_path):
    assert checkpoints.restore(tmp_path / "none", trained(1)) == 0


def test_two_snapshots_are_kept(tmp_path):
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, trained(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000002.npz", "00000003.npz"]


@pytest.mark.parametrize("kept", [0, 100, 1_000_000])
def test_truncated_newest_snapshot_falls_back_to_the_one_before(tmp_path, kept, capsys):
    for step in (1, 2):
        checkpoints.save(tmp_path, trained(step))
    newest = tmp_path / "00000002.npz"
    newest.write_bytes(newest.read_bytes()[:kept])
    assert checkpoints.restore(tmp_path, trained(5)) == 1
    assert "00000002.npz" in capsys.readouterr().out


def test_flipped_bit_in_the_numbers_falls_back_too(tmp_path):
    for step in (1, 2):
        checkpoints.save(tmp_path, trained(step))
    content = bytearray((tmp_path / "00000002.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "00000002.npz").write_bytes(content)
    assert checkpoints.restore(tmp_path, trained(5)) == 1


def test_a_file_without_a_step_is_no_snapshot_and_falls_back(tmp_path, capsys):
    step = trained(0)
    step.optimizer.iterations.assign(7)
    checkpoints.save(tmp_path, step)
    np.savez(tmp_path / "00000099.npz", a=np.zeros(3, "float32"))
    assert checkpoints.restore(tmp_path, step) == 7
    assert "00000099.npz is no snapshot: it has no step. Trying the snapshot before it." in capsys.readouterr().out


def test_only_damaged_snapshots_are_an_error_and_not_a_fresh_start(tmp_path):
    (tmp_path / "00000002.npz").write_bytes(b"nothing")
    with pytest.raises(bit.RunError, match=r"No snapshot in .* can be read"):
        checkpoints.restore(tmp_path, trained(5))


def test_snapshot_of_another_model_names_the_differences(tmp_path):
    checkpoints.save(tmp_path, trained(1, "R14x1"))
    with pytest.raises(bit.WeightsError, match=r"Of another shape: resnet/root_block"):
        checkpoints.restore(tmp_path, trained(2))


def test_restore_brings_back_the_loss_scale(tmp_path):
    saved, other = trained(7, dtype="mixed_float16"), trained(8, dtype="mixed_float16")
    saved.loss_scale.scale.assign(64.0)
    checkpoints.save(tmp_path, saved)
    checkpoints.restore(tmp_path, other)
    assert float(other.loss_scale.scale) == 64


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    checkpoints.save(tmp_path, trained(1))
    lost = trained(2)
    lost.model.get_layer("head-conv2d").bias.assign([np.nan, 0])
    with pytest.raises(bit.RunError, match="resnet/head/conv2d/bias is no longer finite after step 2"):
        checkpoints.save(tmp_path, lost)
    assert [path.name for path in tmp_path.iterdir()] == ["00000001.npz"]

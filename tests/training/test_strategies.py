"""Names of strategies."""

import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.training.strategies import make_strategy


@pytest.mark.parametrize(
    ("name", "replicas"), [("auto", 1), ("one", 1), ("mirrored", 1), ("mirrored:2", 2), ("mirrored:4", 4)]
)
def test_name_gives_that_many_replicas(name, replicas):
    assert make_strategy(name).num_replicas_in_sync == replicas


def test_a_strategy_is_taken_as_it_is():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    assert make_strategy(strategy) is strategy


def test_a_strategy_of_several_machines_is_refused():
    with pytest.raises(bit.UserError, match=r"strategy of one machine.*Received: ParameterServerStrategy"):
        make_strategy(object.__new__(tf.distribute.ParameterServerStrategy))


@pytest.mark.parametrize("name", ["tpus", "mirrored:0", "mirrored:", "one:2", "", None])
def test_other_names_are_refused(name):
    with pytest.raises(bit.UserError, match="Expected `strategy` 'auto', 'one', 'mirrored'"):
        make_strategy(name)


def test_more_replicas_than_logical_cpus_are_refused():
    with pytest.raises(bit.UserError, match=r"at most 4 logical CPUs\. Received: 8"):
        make_strategy("mirrored:8")

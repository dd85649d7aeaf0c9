"""Names of strategies."""

import json

import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.training.cluster import Members, members_of_environment
from bit_keras.training.strategies import connect_tpu, make_strategy, require_one_host


@pytest.mark.parametrize(
    ("name", "replicas"), [("auto", 1), ("one", 1), ("mirrored", 1), ("mirrored:2", 2), ("mirrored:4", 4)]
)
def test_name_gives_that_many_replicas(name, replicas):
    assert make_strategy(name).num_replicas_in_sync == replicas


def test_a_strategy_is_taken_as_it_is():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    assert make_strategy(strategy) is strategy


@pytest.mark.parametrize("strategy", ["multi_worker", "tpu", object.__new__(tf.distribute.ParameterServerStrategy)])
def test_a_strategy_of_several_machines_is_refused_for_fine_tuning(strategy):
    with pytest.raises(bit.UserError, match=r"strategy of one machine.*(multi_worker|tpu|ParameterServerStrategy)"):
        require_one_host(strategy)


def test_auto_is_refused_for_fine_tuning_where_tf_config_names_several_hosts(monkeypatch):
    config = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(bit.UserError, match="strategy of one machine"):
        require_one_host("auto")


def test_without_a_tpu_one_sentence_says_so():
    with pytest.raises(bit.UserError, match=r"Expected a TPU, and a TensorFlow that is built for it.*Choose another"):
        make_strategy("tpu")


class Resolver:
    """A TPUClusterResolver as far as its public face goes."""

    def __init__(self, tpu):
        self.tpu = tpu


@pytest.mark.parametrize("name", ["local", "node-7"])
def test_a_tpu_is_connected_to_and_initialized(monkeypatch, name):
    calls = []
    monkeypatch.setenv("TPU_NAME", name)
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", Resolver)

    def noting(what):
        return lambda found: calls.append((what, found.tpu))

    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", noting("connect"))
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", noting("start"))
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda found: found)
    assert connect_tpu().tpu == name
    # A TPU of this machine is there already; another has to be connected to first.
    assert calls == ([("start", "local")] if name == "local" else [("connect", name), ("start", name)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"cluster": {}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:70000"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_broken_tf_config_is_refused_and_shown(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(bit.UserError, match="Expected TF_CONFIG"):
        make_strategy("multi_worker")


def test_a_chief_comes_before_the_workers(monkeypatch):
    config = {"cluster": {"worker": ["b:1", "c:1"], "chief": ["a:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert members_of_environment() == Members(("a:1", "b:1", "c:1"), 2)


@pytest.mark.parametrize("name", ["tpus", "mirrored:0", "mirrored:", "one:2", "", None])
def test_other_names_are_refused(name):
    with pytest.raises(bit.UserError, match="Expected `strategy` 'auto', 'one', 'mirrored'"):
        make_strategy(name)


def test_more_replicas_than_logical_cpus_are_refused():
    with pytest.raises(bit.UserError, match=r"at most 4 logical CPUs\. Received: 8"):
        make_strategy("mirrored:8")

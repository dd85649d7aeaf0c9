"""Writes official arrays as others do, spelled out here once more so that nothing of the library is its own proof."""

import io
import json
import zipfile

import h5py
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

from tests.weights.crafting import HEAD


def torch_layout(array, name):
    """Kernels with their output channels first."""
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1) if name.endswith("kernel") else array)


def _parts(name):
    """Returns (block, unit, letter) of resnet/block1/unit02/a/..., from 1."""
    _, block, unit, letter, *_ = name.split("/")
    return int(block[5:]), int(unit[4:]), "abc".index(letter) + 1


def timm_name(name):
    if "root_block" in name:
        return "stem.conv.weight"
    if name in HEAD:
        return f"head.fc.{'weight' if name == HEAD[0] else 'bias'}"
    end = {"gamma": "weight", "beta": "bias"}.get(name.split("/")[-1])
    if name.count("/") == 2:
        return f"norm.{end}"
    block, unit, letter = _parts(name)
    inside = "downsample.conv.weight" if "proj" in name else f"norm{letter}.{end}" if end else f"conv{letter}.weight"
    return f"stages.{block - 1}.blocks.{unit - 1}.{inside}"


def hugging_face_name(name):
    if "root_block" in name:
        return "bit.embedder.convolution.weight"
    if name in HEAD:
        return f"classifier.1.{'weight' if name == HEAD[0] else 'bias'}"
    timm = timm_name(name)
    return "bit." + ("encoder." + timm.replace(".blocks.", ".layers.") if timm.startswith("stages") else timm)


def big_vision_name(name):
    if "root_block" in name:
        return "root_block/conv_root/kernel"
    if name in HEAD:
        return name.replace("resnet/head/conv2d", "head")
    end = {"gamma": "scale", "beta": "bias"}.get(name.split("/")[-1])
    if name.count("/") == 2:
        return f"norm-pre-head/{end}"
    block, unit, letter = _parts(name)
    inside = "conv_proj/kernel" if "proj" in name else f"gn{letter}/{end}" if end else f"conv{letter}/kernel"
    return f"block{block}/unit{unit:02d}/{inside}"


def write_timm(path, arrays):
    save_file({timm_name(name): torch_layout(array, name) for name, array in arrays.items()}, path)
    return path


def hugging_face_tensors(arrays):
    tensors = {hugging_face_name(name): torch_layout(array, name) for name, array in arrays.items()}
    return {name: t[:, :, 0, 0].copy() if name == "classifier.1.weight" else t for name, t in tensors.items()}


def write_hugging_face(folder, arrays):
    folder.mkdir(parents=True)
    save_file(hugging_face_tensors(arrays), folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "bit"}')
    return folder


def write_sharded(folder, arrays):
    folder.mkdir(parents=True)
    tensors = hugging_face_tensors(arrays)
    parts = [dict(list(tensors.items())[part::3]) for part in range(3)]
    index = {}
    for number, part in enumerate(parts, 1):
        save_file(part, folder / f"model-{number:05d}-of-00003.safetensors")
        index |= dict.fromkeys(part, f"model-{number:05d}-of-00003.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def write_big_vision(path, arrays, prefix="params/"):
    def shaped(name, array):
        if name == HEAD[0]:
            return array[0, 0]
        return array.reshape(1, 1, 1, -1) if name.endswith(("gamma", "beta")) else array

    np.savez(path, **{prefix + big_vision_name(name): shaped(name, array) for name, array in arrays.items()})
    return path


def keras2_order(arrays):
    """Returns {layer: [official names]} in the order of the reference's TensorFlow 2 class: projections last."""
    layers = {
        "root_block": [],
        "block1": [],
        "block2": [],
        "block3": [],
        "block4": [],
        "group_norm": [],
        "head/dense": [],
    }
    for name in arrays:
        key = "head/dense" if name in HEAD else name.split("/")[1]
        layers[key].append(name)

    def place(name):
        if not name.startswith("resnet/block"):
            return (name.endswith(("beta", "bias")),)
        kind = ("gamma", "beta", "kernel").index(name.split("/")[-1])
        return _parts(name)[:2] + ((4, 0) if "proj" in name else (_parts(name)[2], kind))

    return {layer: sorted(names, key=place) for layer, names in layers.items() if names}


def write_keras2(path, arrays, *, scoped=True, whole=False):
    """Writes tf_keras's HDF5 layout; without `scoped`, a weight is called by its last name and a number."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        layers = keras2_order(arrays)
        root.attrs["layer_names"] = [layer.encode() for layer in [*layers, "re_lu_12", "global_average_pooling2d"]]
        root.create_group("re_lu_12").attrs["weight_names"] = []
        root.create_group("global_average_pooling2d").attrs["weight_names"] = []
        for layer, names in layers.items():
            group = root.create_group(layer)
            short = [_keras2_name(name) if scoped else f"{name.split('/')[-1]}_{i}:0" for i, name in enumerate(names)]
            group.attrs["weight_names"] = [name.encode() for name in short]
            for name, called in zip(names, short, strict=True):
                group[called] = arrays[name][0, 0] if name == HEAD[0] else arrays[name]
    return path


def _keras2_name(name):
    return name.replace("resnet/head/conv2d", "resnet/head/dense").removeprefix("resnet/") + ":0"


def write_keras(path, arrays):
    """Writes what matters of Keras 3's archive: an HDF5 file whose groups carry the layers' names."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            layer, parameter = name.removeprefix("resnet/").rsplit("/", 1)
            group = file.require_group(f"layers/{layer.replace('/', '_')}/vars")
            group.attrs["name"] = layer.replace("/", "-")
            group["0" if parameter in ("kernel", "gamma") else "1"] = array[0, 0] if name == HEAD[0] else array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", content.getvalue())
    return path


def write_saved_model(folder, arrays):
    """Writes a SavedModel with nothing but variables."""
    module = tf.Module()
    module.params = {name: tf.Variable(array, name=name) for name, array in arrays.items()}
    tf.saved_model.save(module, str(folder))
    return folder

"""The ONNX file: one folded network for runtimes without TensorFlow, with its class names in it.

An ONNX file never trains, so its kernels are standardized once, when it is written.
"""

import importlib
import json

import tensorflow as tf

import bit_keras
from bit_keras.errors import UserError
from bit_keras.evaluation.classifier import FOLDED, open_classifier
from bit_keras.exporting.receipts import make_receipt
from bit_keras.exporting.twins import folded, scale_and_offset, servable
from bit_keras.files import atomic_file

PACKAGES = ("onnx", "onnxruntime", "tf2onnx")  # of the extra `onnx`
# The newest that tf2onnx 1.17 writes; ONNX Runtime takes it from 1.14 on.
OPSET = 18
# Bytes that the weights may have: protobuf holds 2 GiB, of which the graph of the deepest network takes under 16 MiB.
LIMIT = 2**31 - 2**24
# Largest difference between the file's outputs and the model's, relative to their size if that is over 1; ten times
# what was seen (seeded R50x1 and R101x1, up to 3.1e-5): another runtime sums in another order.
TOLERANCE = 3e-4
IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")


def write_onnx(file, source, *, class_names, image_size, overwrite):
    """Writes the file and returns its path; `bit_keras.exporting.exporting.export` tells all."""
    _check_place(file, overwrite)
    _check_packages()
    classifier = open_classifier(source, labels=class_names, image_size=image_size)
    model = servable(classifier.model)
    _check_size(model)
    output = "logits" if classifier.num_classes else "features"
    graph = _graph(folded(model), output)

    def read_back(pixels):
        return _session(graph).run([output], {"images": pixels})[0]

    receipt = make_receipt(read_back, model, classifier.image_size, tolerance=TOLERANCE, fold=True)
    _describe(graph, classifier, receipt)
    with atomic_file(file) as opened:
        opened.write(graph.SerializeToString())
    return file


def _check_place(file, overwrite):
    if file.is_dir():
        raise UserError(f"Expected a file such as {file / 'model.onnx'}. Received: {file}, which is a folder.")
    if file.suffix != ".onnx":
        raise UserError(f"Expected a file whose name ends in .onnx. Received: {file}.")
    if file.exists() and not overwrite:
        raise UserError(f"{file} exists already. Choose another file, or allow it to be overwritten (overwrite).")


def _check_packages():
    try:
        for name in PACKAGES:
            importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"Writing ONNX needs the package {error.name}, which is not installed: pip install 'bit-keras[onnx]'."
        ) from error


def _check_size(model):
    size = 4 * model.count_params()  # bytes, in float32
    if size > LIMIT:
        raise UserError(
            f"Expected weights of at most {LIMIT / 1e9:.2f} GB, which an ONNX file can hold. Received: the model "
            f"{model.name} with {size / 1e9:.2f} GB. Export it as a SavedModel."
        )


def _graph(model, output):
    """Returns the ONNX model from "images" to `output`."""
    import tf2onnx

    scale, offset = scale_and_offset(model)

    @tf.function(input_signature=[IMAGES])
    def call(images):
        return {output: model(images * scale + offset, training=False)}

    graph, _ = tf2onnx.convert.from_function(call, [IMAGES], opset=OPSET)
    for dimension, name in zip(_dimensions(graph.graph.input), ("batch", "height", "width"), strict=False):
        dimension.dim_param = name
    _dimensions(graph.graph.output)[0].dim_param = "batch"
    return graph


def _dimensions(values):
    return values[0].type.tensor_type.shape.dim


def _session(graph):
    """Returns ONNX Runtime's session of the model, on the CPU."""
    import onnxruntime

    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def _describe(graph, classifier, receipt):
    """Makes the file explain itself, in its metadata."""
    import onnx

    graph.doc_string = (
        f"{classifier.model.name}, a BiT (arXiv 1912.11370): float32 RGB pictures (batch, height, width, 3) in [0, 1], "
        f"any size, to {graph.graph.output[0].name}."
    )
    about = {
        "image_size": classifier.image_size,
        "class_names": classifier.names(),
        FOLDED: True,
        "bit_keras": bit_keras.__version__,
        "receipt": receipt,
    }
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    onnx.helper.set_model_props(graph, texts)

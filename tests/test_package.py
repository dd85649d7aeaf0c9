"""The package itself: cheap to import, and complete."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bit_keras as bit

HEAVY = ("tensorflow", "keras", "numpy", "tensorflow_hub", "tensorflow_datasets", "PIL", "sklearn")


def loaded_by(code):
    """Returns which heavy modules a new process has loaded after `code`."""
    code += f"\nimport sys\nprint(sorted(set({HEAVY}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(run.stdout)


def names_for_type_checkers():
    tree = ast.parse(Path(bit.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {alias.name: statement.module for statement in block.body for alias in statement.names}


@pytest.mark.parametrize(
    "code",
    ["import bit_keras", "import bit_keras; bit_keras.HyperRule(5, (9, 9))", "import bit_keras; bit_keras.UserError"],
)
def test_import_loads_nothing_heavy(code):
    assert loaded_by(code) == []


def test_listing_the_names_loads_nothing_heavy():
    assert loaded_by("import bit_keras; dir(bit_keras); bit_keras.__all__") == []


def test_public_names_are_those_of_the_design():
    designed = (
        "list_presets preset build load BiTR50x1 BiTR152x4 endpoint pyramid save_weights HyperRule Schedule Momentum"
    )
    assert {*designed.split(), "finetune", "evaluate", "predict", "export", "GroupNorm", "StandardizedConv2D"} <= {
        *bit.__all__
    }


@pytest.mark.parametrize("name", bit.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(bit, name).__name__ == name


def test_public_names_are_listed_by_dir():
    assert {*bit.__all__, "__version__"} <= {*dir(bit)}


def test_no_public_name_is_twice():
    assert len(bit.__all__) == len({*bit.__all__})


def test_type_checkers_see_the_public_names():
    assert names_for_type_checkers().keys() == {*bit.__all__}


@pytest.mark.parametrize("name", bit.__all__)
def test_type_checkers_see_each_name_where_it_lives(name):
    module = __import__(names_for_type_checkers()[name], fromlist=[name])
    assert getattr(module, name) is getattr(bit, name)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="'bit_keras' has no attribute 'BiTR18x1'"):
        _ = bit.BiTR18x1


def test_every_error_of_the_package_is_a_user_error():
    errors = [getattr(bit, name) for name in bit.__all__ if name.endswith("Error")]
    assert len(errors) == 6 and all(issubclass(error, bit.UserError) for error in errors)

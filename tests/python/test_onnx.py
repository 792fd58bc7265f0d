"""The exported graphs: valid by ONNX's own checker, and with the golden codes in Python's ONNX Runtime."""

import os
import pathlib
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/data/golden"
PICTURES = ["astronaut", "camera_gray", "chelsea", "coffee_crop", "rocket", "synth_gradient", "synth_solid_224"]
GRAPHS = ["encoder.onnx", "tokenizer.onnx"]
# What docs/onnx.md promises: ONNX Runtime 1.17 reads files up to these.
IR_VERSION, OPSET = 8, 17


@pytest.fixture(scope="module", params=["small_a", "small_b"])
def model(request, tmp_path_factory):
    """The name of a golden model and the folder of its graphs."""
    program = ROOT / os.environ.get("IMG2TOKENS_BIN", "target/release/img2tokens")
    folder = tmp_path_factory.mktemp("onnx") / request.param
    command = [program, "model", "export-onnx", GOLDEN / request.param, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return request.param, folder


@pytest.fixture(scope="module")
def sessions(model):
    return [onnxruntime.InferenceSession(model[1] / graph, providers=["CPUExecutionProvider"]) for graph in GRAPHS]


@pytest.fixture(scope="module")
def arrays(model):
    """The golden arrays of every picture."""
    return [np.load(GOLDEN / model[0] / f"{picture}.npz") for picture in PICTURES]


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_checker_accepts_graphs_with_their_shapes_inferred(model, graph):
    onnx.checker.check_model(model[1] / graph, full_check=True)
    loaded = onnx.load(model[1] / graph, load_external_data=False)
    assert (loaded.ir_version, [(opset.domain, opset.version) for opset in loaded.opset_import]) == (
        IR_VERSION,
        [("", OPSET)],
    )
    assert all(put.type.tensor_type.shape.dim[0].dim_param == "batch" for put in loaded.graph.input)
    external = [tensor for tensor in loaded.graph.initializer if tensor.external_data]
    assert external and all(tensor.external_data[0].value == f"{graph}.data" for tensor in external)


def test_a_batch_of_all_pictures_gives_the_golden_features_and_log_probabilities(sessions, arrays):
    pixels = np.stack([each["resized_u8"] for each in arrays])
    features, log_probabilities = sessions[0].run(["features", "log_probabilities"], {"pixels": pixels})
    for found, logp, each in zip(features, log_probabilities, arrays, strict=True):
        assert relative(found, each["encoder_features"][1:]) < 1e-4
        assert np.abs(logp - each["logp"]).max() < 1e-4


@pytest.mark.parametrize("case", ["argmax", "gumbel"])
def test_a_batch_of_all_masks_gives_the_golden_codes_and_merged_features(sessions, arrays, case):
    pixels = np.stack([each["resized_u8"] for each in arrays])
    (features,) = sessions[0].run(["features"], {"pixels": pixels})
    kept = np.stack([each[f"keep_{case}"] for each in arrays]).astype(bool)
    codes, merged, z = sessions[1].run(["codes", "merged", "z"], {"features": features, "kept": kept})
    assert kept.any()
    for at, each in enumerate(arrays):
        mask = kept[at]
        assert codes[at][mask].tolist() == each[f"ids_{case}"].tolist(), PICTURES[at]
        if mask.any():
            assert relative(merged[at][mask], each[f"merged_{case}"][mask]) < 1e-3
            assert relative(z[at][mask], each[f"z_{case}"]) < 1e-3

"""Configurations in all the shapes that the vendor's have come back equal; others are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from zoo_vastai.formats.config import config_text, parse_config, read_config

from zoo_core.errors import DataError, RegistryError

if TYPE_CHECKING:
    from pathlib import Path

DETECTOR = """
name: someone_detector_int8
frontend:
  checkpoint: /path/to/net.onnx
  shape: {input: [1, 3, 416, 416]}
  type: onnx
  dtype: fp32
graph:
  extra_ops:
    type: yolov4_nms
    params: {num_classes: 80, nms_threshold: 0.65, confidence_threshold: 0.001, strides: [8, 16]}
dataset:
  type: tvm
  path: /path/to/calib
  sampler: {suffix: null, get_data_num: 50}
  process_ops:
    - type: DecodeImage
    - {type: Resize, size: [416, -1], adaptive_side: long}
    - {type: Normalize, div255: true, norm_type: null}
    - type: ToTensor
backend:
  type: tvm_vacc
  dtype: int8
  quantize: {alibrate_mode: max, calibrate_range: 0.99999, skip_matmul_layers: [0, 1]}
  compile: {output_layout: ['0:YX'], split_convergence_points: ['0,9,2,5']}
workspace: {path: ./deploy_weights/, work_dir: old, save_log: true}
"""
DYNAMIC = """
frontend:
  checkpoint: net.pt
  shape:
    images: [[1, 3, 416, 416], [1, 3, 640, 640]]
    /9/Add_output_0: [1, 4]
    onnx::Reshape_2979: [1203, 512]
backend: {type: tvm_vacc, dtype: fp16}
model: left over
"""
LANGUAGE = """
name: words-int8-tp4
frontend:
  checkpoint: some/words-7B
  type: huggingface
  shape: {input_ids: [[512], []]}
  model_kwargs: {model_arch: vacc, tp: 4, b2s: true}
  quantize: {type: w8a16_gptq}
backend:
  dtype: int8
  type: tvm_vacc
  merge_params: true
  dynamic_params: {is_elic_gs: true}
  compile: null
workspace: {path: ./out, workers: 4, pyenv: {transformers: 4.51.3}, env_recheck: false}
graph: {extra_ops: {extra_ops: null, type: null}}
dataset: null
"""


@pytest.mark.parametrize("text", [DETECTOR, DYNAMIC, LANGUAGE], ids=["nms", "dynamic", "llm"])
def test_what_is_read_comes_back_equal(text: str) -> None:
    data = yaml.safe_load(text)
    config = parse_config(data)
    assert config.to_data() == data
    assert yaml.safe_load(config_text(config)) == data


def test_the_typed_core_holds_what_the_file_says() -> None:
    config = parse_config(yaml.safe_load(DETECTOR))
    assert config.name == "someone_detector_int8"
    assert config.frontend.shape == {"input": [1, 3, 416, 416]}
    assert config.backend.dtype == "int8"
    assert config.dataset is not None
    assert config.dataset.sampler is not None
    assert (config.dataset.sampler.suffix, config.dataset.sampler.get_data_num) == (None, 50)
    assert config.dataset.sampler.other == {"suffix": None}
    assert config.workspace is not None
    assert config.workspace.other == {"work_dir": "old", "save_log": True}


def drop(section: str, key: str) -> dict[str, Any]:
    data = yaml.safe_load(DETECTOR)
    del data[section][key]
    return data  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ([1], "not a mapping"),
        ({"name": "x"}, "lacks frontend"),
        (drop("frontend", "shape"), "lacks frontend.shape"),
        (drop("backend", "dtype"), "lacks backend.dtype"),
        ({**yaml.safe_load(DETECTOR), "name": 7}, "name must be text, not 7"),
        ({**yaml.safe_load(DETECTOR), "workspace": "./out"}, "workspace must be a mapping"),
        ({"model": {"name": "x", "checkpoint": "y"}, "engine": {"type": "vacc"}}, "vamc 2"),
    ],
)
def test_what_is_none_is_refused_in_one_line(data: Any, what: str) -> None:
    with pytest.raises(RegistryError, match=what) as raised:
        parse_config(data, "here.yaml")
    assert str(raised.value).startswith("here.yaml: ")
    assert "\n" not in str(raised.value)


def test_an_operation_that_is_no_mapping_is_named() -> None:
    data = yaml.safe_load(DETECTOR)
    data["dataset"]["process_ops"][1] = "Resize"
    with pytest.raises(RegistryError, match=r"dataset\.process_ops\[1\] must be a mapping"):
        parse_config(data)


def test_files_are_read_and_bad_ones_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(DETECTOR, encoding="utf-8")
    assert read_config(path).to_data() == yaml.safe_load(DETECTOR)
    path.write_text("name: x\nfrontend: [1,\n", encoding="utf-8")
    with pytest.raises(RegistryError, match=r"config\.yaml:3: is not valid YAML"):
        read_config(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="damaged UTF-16-LE text"):
        read_config(path)
    with pytest.raises(DataError, match="No such file"):
        read_config(tmp_path / "none.yaml")

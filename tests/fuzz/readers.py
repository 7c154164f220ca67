"""The readers under test, each with good files to damage and the words of its format."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`read` takes the path of a file, with `ending`, as far as zoo does before heavy work."""

    name: str
    read: Callable[[Path], object]
    make: Callable[[], tuple[bytes, ...]] = field(repr=False)
    ending: str = ""
    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    is_json: bool = False

    @property
    def seeds(self) -> tuple[bytes, ...]:
        """Good files."""
        return _made(self.make)


@cache
def _made(make: Callable[[], tuple[bytes, ...]]) -> tuple[bytes, ...]:
    return make()


def _cfg(path: Path) -> None:
    from zoo_darknet.topology import plan_network

    from zoo_core.toolkit.darknet_cfg import read_cfg

    cfg = read_cfg(path)
    topology = plan_network(cfg, cfg.height, cfg.width)
    assert topology.values >= 0 and topology.classes >= 0


def _weights(path: Path) -> None:
    from zoo_core.toolkit.darknet_weights import WeightsReader

    reader = WeightsReader(path)
    reader.take(min(reader.remaining, 3))
    reader.take(5, "layer 1")
    reader.finish()


def _registry(path: Path) -> None:
    from zoo_core.registry import load
    from zoo_core.registry.protocols import effective_preprocess
    from zoo_core.registry.reader import read_registry_file
    from zoo_core.system.yaml_text import load_yaml
    from zoo_core.vision import Preprocess

    merged = load._Merged()
    merged.add(path, load_yaml(read_registry_file(path), str(path), unique=True))
    registry = load._build(merged, (path,))
    for protocol in registry.protocols.values():
        assert protocol.hash
    for card in registry.models.values():
        steps = Preprocess.from_data(card.preprocess, where=card.id)
        effective_preprocess(steps, registry.protocols[card.protocol], card.size)
        json.dumps([str(row) for row in card.published])


def _coco(path: Path) -> None:
    from zoo_core.toolkit.coco import box_warnings, listed_images, matches, read_annotations

    data = read_annotations(path)
    box_warnings(listed_images(data, str(path)))
    matches(["person", "car"], {row["id"]: row["name"] for row in data["categories"]})


def _vamp(path: Path) -> None:
    from zoo_vastai.vamp.parse import parse_output
    from zoo_vastai.vamp.report import decoded, read_report

    from zoo_core.toolkit.files import read_limited

    text = decoded(read_limited(path))
    parse_output(text)
    json.dumps(read_report(text, str(path)))


def _vamc(path: Path) -> None:
    from zoo_vastai.formats.config import config_text, read_config

    config_text(read_config(path))


def _vdsp(path: Path) -> None:
    from zoo_vastai.formats.vdsp import read_vdsp, vdsp_text

    vdsp_text(read_vdsp(path))


def _lint(path: Path) -> None:
    from zoo_vastai_lint.run import lint

    lint([path])


def _records(path: Path) -> None:
    from zoo_core.pipeline.records import read_records

    assert len(list(read_records(path))) >= 0


def _image(path: Path) -> None:
    from zoo_core.errors import ZooError
    from zoo_core.vision.headers import has_its_end, orientation, read_header
    from zoo_core.vision.image import image_size, read_rgb

    data = path.read_bytes()
    read_header(data)
    has_its_end(data)
    orientation(data)
    with contextlib.suppress(ZooError):
        image_size(path)
    read_rgb(path)


def _npz(path: Path) -> None:
    from zoo_vastai.files.outputs import form_of, read_output

    form_of(read_output(path), str(path))


def _names(path: Path) -> None:
    from zoo_core.system.names_file import read_names

    read_names(path)


def _detections(path: Path) -> None:
    from zoo_core.toolkit.detection_txt import read_detections

    for row in read_detections(path):
        assert row.label


def _datalist(path: Path) -> None:
    from zoo_vastai.files.datalist import Lines, read_datalist

    Lines(read_datalist(path).lines).find("a/b.jpg")


def _voc(path: Path) -> None:
    from zoo_coco.forms.voc_xml import read_voc

    from zoo_core.toolkit.files import read_limited

    read_voc(read_limited(path), str(path))


def _yolo(path: Path) -> None:
    from zoo_coco.forms.yolo_labels import read_labels

    from zoo_core.toolkit.files import read_text

    read_labels(read_text(path), (480, 640), {0: "person", 1: "dog"}, str(path), 0)


def _dota(path: Path) -> None:
    from zoo_coco.forms.dota_folder import is_dota, read_dota

    from zoo_core.toolkit.files import read_text

    is_dota(path.parent)
    read_dota(read_text(path), str(path))


def _yolo_obb(path: Path) -> None:
    from zoo_coco.forms.yolo_labels import read_oriented

    from zoo_core.toolkit.files import read_text

    read_oriented(read_text(path), (480, 640), {0: "ship", 1: "plane"}, str(path))


def _yolo_yaml(path: Path) -> None:
    from zoo_coco.forms.yolo_source import yolo_source

    from zoo_core.api import DataRequest

    (path.parent / "images").mkdir(exist_ok=True)
    (path.parent / "images" / "a.jpg").touch()
    yolo_source(DataRequest(purpose="evaluate", annotations=path))


def _onnx(path: Path) -> None:
    from zoo_core.toolkit.onnx_file import facts, load

    facts(load(path))


CFG = b"""[net]
width=416
height=416
channels=3
[convolutional]
batch_normalize=1
filters=32
size=3
stride=2
pad=1
activation=leaky
[maxpool]
size=2
stride=1
[convolutional]
groups=2
filters=32
size=1
stride=1
activation=mish
[shortcut]
from=-2
activation=linear
[route]
layers=-1,-3
groups=1
[upsample]
stride=2
[reorg3d]
stride=2
[convolutional]
filters=255
size=1
stride=1
activation=linear
[yolo]
mask=0,1,2
anchors=12,16, 19,36, 40,28, 36,75, 76,55, 72,146, 142,110, 192,243, 459,401
classes=80
num=9
scale_x_y=1.2
"""
CFG_WORDS = (
    *(b"[net]", b"[convolutional]", b"[yolo]", b"[maxpool]", b"[avgpool]", b"[route]", b"[sam]"),
    *(b"[shortcut]", b"[upsample]", b"[reorg]", b"[scale_channels]", b"[dropout]", b"[local]"),
    *(b"\nstride=", b"\nlayers=", b"\nfrom=", b"\ngroup_id=", b"\ndilation=", b"\nantialiasing=1"),
    *(b"\nletter_box=1", b"\nnms_kind=", b"\nbeta_nms=", b"\ndeform=1", b"\nactivation="),
)
WEIGHTS = struct.pack("<3iQ8f", 0, 2, 5, 32013312, *range(8))
OLD_WEIGHTS = struct.pack("<3iI8f", 0, 1, 0, 77, *range(8))

REGISTRY = {
    "schema": 1,
    "labels": {"two": ["cat", "dog"]},
    "protocols": {
        "mine": {
            "task": "detection",
            "values": {"conf": 0.001, "nms": 0.6, "resize": "letterbox", "pad": 114},
            "unknown": ["top_k"],
            "note": "as published",
        }
    },
    "families": {
        "f": {
            "task": "detection",
            "summary": "a family",
            "source": {"name": "a/b", "url": "https://example.org/a", "commit": "0" * 40},
            "license": "MIT",
            "exporter": "onnx-file",
            "decoder": "yolo",
            "decoder_params": {"anchors": [[1, 2], [3, 4]], "strides": [8]},
            "evaluator": "coco-detection",
            "dataset": "coco-val2017",
            "size": [416, 416],
            "preprocess": [
                {"op": "decode", "colour": "rgb"},
                {"op": "resize", "mode": "stretch", "size": [416, 416]},
                {"op": "scale", "factor": 0.0039},
                {"op": "to_tensor"},
            ],
            "labels": "two",
            "protocol": "mine",
        }
    },
    "models": {
        "m": {
            "family": "f",
            "summary": "mine",
            "protocols": {"vastai": "mine"},
            "weights": [
                {
                    "format": "onnx",
                    "files": {
                        "weights": {
                            "url": "https://example.org/m.onnx",
                            "sha256": "a" * 64,
                            "size": 5,
                        }
                    },
                }
            ],
            "published": [
                {
                    "id": "theirs",
                    "protocol": "mine",
                    "dataset": "coco-val2017",
                    "size": [416, 416],
                    "weights": "published",
                    "precision": "fp32",
                    "device": "GPU",
                    "metrics": {"AP": 0.4},
                    "performance": {"tool": "vamp", "throughput_qps": 124.2},
                    "conditions": {"card": "VA1", "clocks_mhz": {"OCLK": 880}},
                    "elsewhere": [{"where": "a", "text": "b", "metrics": {"AP": 0.3}}],
                    "provenance": "README",
                }
            ],
            "backends": {"onnxruntime": {"int8": {"float_nodes": ["a"]}}},
        }
    },
}
COCO = {
    "info": {},
    "images": [
        {"id": 139, "file_name": "a/000139.jpg", "width": 640, "height": 426},
        {"id": "x", "file_name": "b.png"},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 139,
            "category_id": 1,
            "bbox": [10.5, 20, 30, 40],
            "area": 1200,
            "iscrowd": 0,
        },
        {"id": 2, "image_id": "x", "category_id": 18, "bbox": [0, 0, 1, 1]},
    ],
    "categories": [{"id": 1, "name": "person", "supercategory": "x"}, {"id": 18, "name": "dog"}],
}
VAMC = {
    "name": "m",
    "frontend": {
        "type": "onnx",
        "checkpoint": "m.onnx",
        "shape": {"input": [1, 3, 416, 416]},
        "dtype": "fp32",
    },
    "graph": {
        "extra_ops": {
            "type": "yolov4_nms",
            "params": {
                "num_classes": 2,
                "nms_threshold": 0.45,
                "confidence_threshold": 0.25,
                "anchor": [1, 2, 3, 4],
                "strides": [8],
            },
        }
    },
    "dataset": {
        "type": "image",
        "path": "images",
        "sampler": {"suffix": "jpg", "get_data_num": 50},
        "process_ops": [{"type": "DecodeImage"}, {"type": "Normalize", "mean": [0, 0, 0]}],
    },
    "backend": {
        "type": "tvm_vacc",
        "dtype": "int8",
        "compile": {"cluster_mode": 0},
        "quantize": {"calibrate_mode": "percentile", "quantize_per_channel": True},
    },
    "workspace": {"path": "out", "enable": True},
}
VDSP = {
    "OpType": "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR_EXT",
    "OpConfig": {
        "IimageFormat": "BGR888",
        "IimageWidth": 1280,
        "IimageHeight": 720,
        "OimageWidth": 416,
        "OimageHeight": 416,
        "ResizeType": "BILINEAR_PILLOW",
        "ColorCvtCode": "BGR2RGB_NOTRANSFORM",
        "NormaType": "DIV255_MINUSMEAN_DIVSTD",
        "Mean": [0.5, 0.5, 0.5],
        "Std": [1, 1, 1],
        "Padding": [114, 114, 114],
    },
}
VOC = b"""<annotation>
<folder>VOC2007</folder><filename>000005.jpg</filename>
<size><width>500</width><height>375</height><depth>3</depth></size>
<object><name>chair</name><difficult>0</difficult>
<bndbox><xmin>263</xmin><ymin>211</ymin><xmax>324</xmax><ymax>339.5</ymax></bndbox></object>
<object><name>dog</name><difficult>1</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
</annotation>
"""
VOC_WORDS = (b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&lt;", b"<![CDATA[", b"]]>", b"<bndbox>")
DOTA = b"imagesource:x\ngsd:0.1\n1 2 30 4 5.5 6 7 8 ship 0\n1 2 30 4 5.5 6 7 8 plane\n"
YOLO_OBB = b"0 .1 .1 .4 .1 .4 .3 .1 .3\n\n1 .2 .1 .4 .1 .4 .3 .2 .3\n"
YOLO = b"0 0.5 0.5 0.25 0.1\n1 0.1 0.2 0.3 0.4\n\n0 0.1 0.1 0.2 0.1 0.2 0.2\n"
YOLO_YAML = {
    "path": ".",
    "train": "images",
    "val": ["images"],
    "names": {"0": "person", "1": "dog"},
    "nc": 2,
}
VAMP = """[max_batch_size_]: 5
number of process:1
- number of instances in each device: 8
  devices: [0,1]
  batch size: 2
  throughput (qps): 20.9133
  ai utilize (%): 84.7898
  temperature (\N{DEGREE SIGN}C): 48.9539
  card power (W): 31.4568
  die memory used (MB): 2962.27
  e2e latency (us):
    avg latency: 938804
    min latency: 242944
    max latency: 1778707
    p50 latency: 925637
    p99 latency: 1375009
  model latency (us):
    avg latency: 790979
    min latency: 241057
    max latency: 1396289
    p99 latency: 1072986
""".encode()


def _npz_of(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _record_seeds() -> tuple[bytes, ...]:
    heads = [{"id": 1, "name": "a.jpg"}, {"id": "x", "name": "b.jpg"}]
    return (
        _npz_of(
            **{
                "index": np.array(json.dumps(heads)),
                "boxes.shapes": np.array([[2, 4], [0, 4]]),
                "boxes.data": np.arange(8, dtype=np.float32),
            }
        ),
        _npz_of(index=np.array("[]")),
    )


def _image_seeds() -> tuple[bytes, ...]:
    import cv2

    rows = np.add.outer(np.arange(64) * 9, np.arange(64) * 7) % 256
    image = np.dstack([rows, rows[::-1], rows // 2]).astype(np.uint8)
    seeds = [
        cv2.imencode(ending, image)[1].tobytes()
        for ending in (".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm", ".jp2")
    ]
    jpeg = seeds[0]
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    tagged = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    return (*seeds, jpeg[:2] + tagged + jpeg[2:])


def _onnx_seeds() -> tuple[bytes, ...]:
    from onnx import TensorProto, helper

    values = helper.make_tensor("w", TensorProto.FLOAT, [400], np.arange(400, dtype=np.float32))
    side = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [side("x", TensorProto.FLOAT, [1, 400])],
        [side("y", TensorProto.FLOAT, [1, 400])],
        [values],
    )
    return (bytes(helper.make_model(graph).SerializeToString()),)


def _dumped(document: Any) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (json.dumps(document).encode(),)


def _vendor_seeds() -> tuple[bytes, ...]:
    heads = {f"output_{n}": np.zeros((1, 3, 2, 2), np.float16) for n in range(2)}
    nms = {f"output_{n}": np.zeros((1, 5, last), np.float32) for n, last in enumerate((1, 1, 4))}
    return _npz_of(**heads), _npz_of(**nms)


NAMES = (b"person\nbicycle\n  traffic light \n", "\ufeffcat\r\ndog\r\n".encode())
YAML_WORDS = (b"!!int ", b"!!set ", b"? ", b"<<: ", b"&a ", b"*a", b"!!timestamp ", b"2020-13-45")
TEXT = b"traffic light 0.5 1.0 2.0 3.5 4.5\ndog 1 0 0 1e2 5\n"
LIST = b"/data/a__b.jpg.npz\n/data/c.jpg.npz\n"
PNG_WORDS = (b"eXIf", b"IHDR", b"IDAT", b"IEND", b"acTL", b"\xff\xd8\xff", b"\xff\xd9", b"RIFF")


@cache
def readers() -> dict[str, Reader]:
    """Every reader by its name."""
    made = (
        Reader(name="cfg", read=_cfg, make=lambda: (CFG,), ending=".cfg", tokens=CFG_WORDS),
        Reader(
            name="weights",
            read=_weights,
            make=lambda: (WEIGHTS, OLD_WEIGHTS),
            ending=".weights",
        ),
        Reader(
            name="registry",
            read=_registry,
            make=_dumped(REGISTRY),
            ending=".yaml",
            tokens=YAML_WORDS,
            is_json=True,
        ),
        Reader(name="coco", read=_coco, make=_dumped(COCO), ending=".json", is_json=True),
        Reader(name="vamp", read=_vamp, make=lambda: (VAMP,), ending=".txt"),
        Reader(
            name="vamc",
            read=_vamc,
            make=_dumped(VAMC),
            ending=".yaml",
            tokens=YAML_WORDS,
            is_json=True,
        ),
        Reader(name="vdsp", read=_vdsp, make=_dumped(VDSP), ending=".json", is_json=True),
        Reader(
            name="lint",
            read=_lint,
            make=lambda: (*_dumped(VAMC)(), *_dumped(VDSP)()),
            ending=".yaml",
            tokens=YAML_WORDS,
            is_json=True,
        ),
        Reader(name="records", read=_records, make=_record_seeds, ending=".npz"),
        Reader(name="image", read=_image, make=_image_seeds, tokens=PNG_WORDS),
        Reader(name="npz", read=_npz, make=_vendor_seeds, ending=".npz"),
        Reader(name="names", read=_names, make=lambda: NAMES, ending=".names"),
        Reader(name="detections", read=_detections, make=lambda: (TEXT,), ending=".txt"),
        Reader(name="datalist", read=_datalist, make=lambda: (LIST,), ending=".txt"),
        Reader(name="voc", read=_voc, make=lambda: (VOC,), ending=".xml", tokens=VOC_WORDS),
        Reader(name="yolo", read=_yolo, make=lambda: (YOLO,), ending=".txt"),
        Reader(name="dota", read=_dota, make=lambda: (DOTA,), ending=".txt"),
        Reader(name="yolo-obb", read=_yolo_obb, make=lambda: (YOLO_OBB,), ending=".txt"),
        Reader(
            name="yolo-yaml",
            read=_yolo_yaml,
            make=_dumped(YOLO_YAML),
            ending=".yaml",
            tokens=YAML_WORDS,
            is_json=True,
        ),
        Reader(name="onnx", read=_onnx, make=_onnx_seeds, ending=".onnx"),
    )
    return {reader.name: reader for reader in made}

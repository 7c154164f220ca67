from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from zoo_tianxiaomo.darknet import file_order
from zoo_tianxiaomo.params import NetworkSpec
from zoo_tianxiaomo.weights import load_network

from zoo_core.errors import DataError
from zoo_core.toolkit.darknet_weights import write_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

THIN = (4, 8, 8, 16, 16, 32)
HTML = b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>\n" * 40


def _spec(form: str, classes: int = 80, widths: tuple[int, ...] | None = None) -> NetworkSpec:
    return NetworkSpec(format=form, classes=classes, widths=widths)


def _same(path: Path, spec: NetworkSpec, state: Mapping[str, Tensor], atol: float = 0.0) -> None:
    network = load_network(spec, path)
    assert not network.training
    assert network.widths == THIN
    found = network.state_dict()
    assert list(found) == list(state)
    for key, value in found.items():
        assert value.dtype == (torch.int64 if key.endswith("tracked") else torch.float32)
        torch.testing.assert_close(value, state[key], atol=atol, rtol=atol)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "rename",
    [
        lambda key: key,
        lambda key: f"module.{key}",
        lambda key: key.replace("neck.", "neek."),
        lambda key: f"module.{key}".replace("neck.", "neek."),
    ],
    ids=["today", "data-parallel", "published", "both"],
)
def test_state_dicts_under_all_their_names(
    tmp_path: Path,
    thin_state: dict[str, Tensor],
    rename: Callable[[str], str],
    legacy: bool,
) -> None:
    path = tmp_path / "yolov4.pth"
    state = OrderedDict((rename(key), value) for key, value in thin_state.items())
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    _same(path, _spec("torch"), thin_state)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 0.0), (torch.float16, 1e-2)])
def test_safetensors(
    tmp_path: Path, thin_state: dict[str, Tensor], dtype: torch.dtype, atol: float
) -> None:
    path = tmp_path / "thin.safetensors"
    cast = {k: v.to(dtype) if v.is_floating_point() else v for k, v in thin_state.items()}
    save_file(cast, path)
    _same(path, _spec("safetensors"), thin_state, atol)


def test_darknet_weights(tmp_path: Path, thin_state: dict[str, Tensor]) -> None:
    path = tmp_path / "thin.weights"
    _write_darknet(path, thin_state)
    _same(path, _spec("darknet", widths=THIN), thin_state)


def _write_darknet(path: Path, state: Mapping[str, Tensor], skip: str = "none") -> None:
    network = load_network(NetworkSpec(format="random", classes=80, widths=THIN, seed=0), None)
    order = [key for key in file_order(network) if not key.startswith(skip)]
    write_weights(path, (state[key].numpy() for key in order), seen=32_032_000)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.mark),))


class Elsewhere(nn.Module):
    """A module such as another repository pickles whole."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Conv2d(3, 4, 1)


def _missing(path: Path, state: dict[str, Tensor]) -> None:
    pass


def _empty(path: Path, state: dict[str, Tensor]) -> None:
    path.write_bytes(b"")


def _html(path: Path, state: dict[str, Tensor]) -> None:
    path.write_bytes(HTML)


def _truncated(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _truncated_legacy(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _image(path: Path, state: dict[str, Tensor]) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))


def _plain_zip(path: Path, state: dict[str, Tensor]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no checkpoint")


def _zip_bomb(path: Path, state: dict[str, Tensor]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("yolov4/data.pkl", bytes(64 << 20))
        archive.writestr("yolov4/version", "3")


def _pickle_bomb(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({**state, "extra": Bomb(path.with_name("boom"))}, path)


def _legacy_bomb(path: Path, state: dict[str, Tensor]) -> None:
    bomb = {"extra": Bomb(path.with_name("boom"))}
    torch.save(bomb, path, _use_new_zipfile_serialization=False)


def _bare_pickle(path: Path, state: dict[str, Tensor]) -> None:
    path.write_bytes(pickle.dumps([Bomb(path.with_name("boom"))]))


def _huge_claim(path: Path, state: dict[str, Tensor]) -> None:
    class Vast:
        def __reduce__(self) -> tuple[object, ...]:
            return (bytearray, (1 << 62,))

    torch.save({"a": Vast()}, path)


def _module(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(Elsewhere(), path)


def _script(path: Path, state: dict[str, Tensor]) -> None:
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.trace(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 4, 4)), path)


def _list(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(list(state.values())[:4], path)


def _nested(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"epoch": 3, "state_dict": state}, path)


def _sparse(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"a": torch.eye(3).to_sparse()}, path)


def _yolov5(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({f"model.{n}.conv.weight": torch.zeros(2, 2, 1, 1) for n in range(20)}, path)


def _backbone(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({k: v for k, v in state.items() if not k.startswith("head.")}, path)


def _one_missing(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({k: v for k, v in state.items() if k != "neck.conv7.conv.1.running_var"}, path)


def _one_more(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({**state, "head.extra.weight": torch.zeros(3)}, path)


def _partly_parallel(path: Path, state: dict[str, Tensor]) -> None:
    names = {k: f"module.{k}" if k.startswith("head.") else k for k in state}
    torch.save({names[k]: v for k, v in state.items()}, path)


def _other_shape(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({**state, "neck.conv4.conv.0.weight": torch.zeros(16, 64, 3, 3)}, path)


def _other_dtype(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({**state, "neck.conv4.conv.1.bias": torch.zeros(16, dtype=torch.int32)}, path)


def _not_finite(path: Path, state: dict[str, Tensor]) -> None:
    bad = state["neck.conv4.conv.1.bias"].clone()
    bad[3] = float("nan")
    torch.save({**state, "neck.conv4.conv.1.bias": bad}, path)


TORCH = {
    _missing: "cannot be read: No such file",
    _empty: "is no PyTorch checkpoint",
    _html: "is an HTML page, where a PyTorch checkpoint is expected",
    _truncated: "is a truncated or damaged checkpoint",
    _truncated_legacy: "is a truncated or damaged checkpoint",
    _image: "is a PNG image",
    _plain_zip: "is a zip archive, but no PyTorch checkpoint",
    _zip_bomb: "is a zip archive of a kind that PyTorch never writes",
    _pickle_bomb: "it wants posix.mkdir; nothing of it was run",
    _legacy_bomb: "it wants posix.mkdir; nothing of it was run",
    _bare_pickle: "is a Python pickle, where a PyTorch checkpoint is expected",
    _huge_claim: "checkpoint",
    _module: "is a pickled object, not a state dict: it wants",
    _script: "is a TorchScript module",
    _list: "holds a list, not a state dict",
    _nested: "is not a state dict: 'epoch' holds a int",
    _sparse: "is not a state dict: 'a' holds a Tensor, not a dense tensor",
    _yolov5: "of 648 keys 648 are missing (down1.conv1.conv.0.weight, ",
    _backbone: "of 648 keys 96 are missing (head.conv1.conv.0.weight, ",
    _one_missing: "of 648 keys 1 are missing (neck.conv7.conv.1.running_var)",
    _one_more: "of 648 keys 1 are unknown (head.extra.weight)",
    _partly_parallel: "96 are unknown (module.head.conv1.conv.0.weight",
    _other_shape: "shapes 1 differ (neck.conv4.conv.0.weight 16x64x3x3 for 16x64x1x1)",
    _other_dtype: "dtypes 1 differ (neck.conv4.conv.1.bias)",
    _not_finite: "values that are not finite: 1 (neck.conv4.conv.1.bias)",
}


@pytest.mark.parametrize("write", TORCH, ids=lambda write: write.__name__.strip("_"))
def test_bad_checkpoints(
    tmp_path: Path, thin_state: dict[str, Tensor], write: Callable[..., None]
) -> None:
    path = tmp_path / "yolov4.pth"
    write(path, thin_state)
    error = _refusal(path, _spec("torch"))
    assert TORCH[write] in error.what
    assert not path.with_name("boom").exists()


def test_hints_say_what_a_file_looks_like(tmp_path: Path, thin_state: dict[str, Tensor]) -> None:
    path = tmp_path / "yolov4.pth"
    for write, hint in {
        _yolov5: "Ultralytics",
        _backbone: "yolov4.conv.137.pth",
        _partly_parallel: "model.module.state_dict()",
        _one_more: "give yolov4.pth of Tianxiaomo/pytorch-YOLOv4",
        _nested: "torch.save(model.state_dict(), FILE)",
    }.items():
        write(path, thin_state)
        assert hint in _refusal(path, _spec("torch")).next


def test_classes_of_the_weights_are_those_of_the_labels(
    tmp_path: Path, thin_state: dict[str, Tensor]
) -> None:
    path = tmp_path / "yolov4.pth"
    torch.save(thin_state, path)
    error = _refusal(path, _spec("torch", classes=3))
    assert error.what == "is a network for 80 classes, the labels are 3"
    assert "--names" in error.next


def test_widths_of_the_card_bind(thin_pth: Path) -> None:
    error = _refusal(thin_pth, _spec("torch", widths=(4, 8, 8, 16, 16, 64)))
    assert "shapes " in error.what
    assert "holds another network" in error.what


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read: No such file"),
        (HTML, "is an HTML page, where safetensors are expected"),
        (b"", "is not a complete safetensors file"),
        (b"\xff" * 64, "is not a complete safetensors file"),
        ((1 << 62).to_bytes(8, "little") + b"{}", "is not a complete safetensors file"),
    ],
)
def test_bad_safetensors(tmp_path: Path, content: bytes | None, what: str) -> None:
    path = tmp_path / "thin.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert what in _refusal(path, _spec("safetensors")).what


def test_a_truncated_safetensors(tmp_path: Path, thin_state: dict[str, Tensor]) -> None:
    path = tmp_path / "thin.safetensors"
    save_file(thin_state, path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "is not a complete safetensors file" in _refusal(path, _spec("safetensors")).what


def test_bad_darknet_weights(tmp_path: Path, thin_state: dict[str, Tensor]) -> None:
    path, spec = tmp_path / "yolov4.weights", _spec("darknet", widths=THIN)
    _refusal(path, spec)
    path.write_bytes(HTML)
    assert "is an HTML page" in _refusal(path, spec).what
    _write_darknet(path, thin_state)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    assert "(4 too few)" in _refusal(path, spec).what
    path.write_bytes(whole + bytes(8))
    assert "(8 too many)" in _refusal(path, spec).what
    path.write_bytes(whole[:-4] + np.float32("nan").tobytes())
    assert "not finite: 1 (head.conv18.conv.0.weight)" in _refusal(path, spec).what
    _write_darknet(path, thin_state, skip="head.")
    assert "yolov4.conv.137" in _refusal(path, spec).what


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "yolov4.pth"
    with path.open("wb") as stream:
        stream.write(b"PK\x03\x04")
        stream.truncate(3 << 30)
    assert "has 3,221,225,472 bytes, far too many" in _refusal(path, _spec("torch")).what


def _refusal(path: Path, spec: NetworkSpec) -> DataError:
    with pytest.raises(DataError) as caught:
        load_network(spec, path)
    error: Any = caught.value
    assert isinstance(error, DataError)
    assert error.where == str(path)
    assert error.what and "\n" not in str(error) and len(str(error)) < 700
    return error

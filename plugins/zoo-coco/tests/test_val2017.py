from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import pytest
from zoo_coco import val2017, val2017_stages
from zoo_coco.val2017 import Val2017, calibration_list, image_name

from zoo_core.api import DataPlan, DataRequest, DataView, Stage, StageContext
from zoo_core.errors import DataError, UsageError
from zoo_core.pipeline.plan import make_plan
from zoo_core.toolkit import datasets
from zoo_core.toolkit.coco import COCO_NAMES

RunPlan = Callable[[DataPlan], DataView]
IDS = [139, 285, 632, 724, 776]
NAMES = [image_name(number) for number in IDS]
MEMBER = "annotations/instances_val2017.json"


def asked(purpose: str = "evaluate", limit: int | None = None) -> DataRequest:
    return DataRequest(purpose=purpose, limit=limit)


@pytest.fixture
def mirror(
    site: Any,
    tmp_path: Path,
    make_images: Any,
    write_truth: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A site with five images, singly and zipped; the plugin expects its archives' digests."""
    make_images(site.root / "val2017", NAMES)
    images = list(zip(reversed(IDS), reversed(NAMES), strict=True))
    truth = write_truth(tmp_path / "truth.json", images, [(139, 1, (1, 2, 3, 4))])
    pictures = {f"val2017/{name}": site.root / "val2017" / name for name in NAMES}
    files = {MEMBER: truth, "annotations/captions_val2017.json": truth}
    for folder, constant, content in (
        ("annotations", "ANNOTATIONS", files),
        ("zips", "IMAGES", pictures),
    ):
        facts = getattr(val2017, constant)
        monkeypatch.setattr(val2017, constant, pack(site.root / folder, facts["name"], content))
    monkeypatch.setattr(val2017, "COUNT", len(IDS))
    return site


def pack(folder: Path, name: str, files: dict[str, Path]) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member, path in files.items():
            archive.write(path, member)
    content = (folder / name).read_bytes()
    return {
        "name": name,
        "size": len(content),
        "md5": hashlib.md5(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def downloads() -> list[str]:
    folder = Path(os.environ["ZOO_HOME"]) / "downloads"
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_all_of_it_is_known_without_a_file() -> None:
    plan = Val2017().plan(asked())
    assert (plan.kind, plan.count, plan.of, plan.has_truth) == ("published", 5000, 5000, True)
    assert plan.classes == dict.fromkeys(COCO_NAMES, True), "labels are compared before a download"
    assert [shard.stop for shard in plan.shards] == [*range(256, 5000, 256), 5000]
    urls = [stage.locations["url"] for stage in plan.stages]
    assert urls == [
        "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
        "http://images.cocodataset.org/zips/val2017.zip",
    ]
    assert not (Path(os.environ["ZOO_HOME"]) / "downloads").exists()


def test_a_mirror_is_no_part_of_what_archives_are(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [stage.key for stage in make_plan(Val2017().plan(asked()).stages)]
    monkeypatch.setenv("ZOO_COCO_URL", "http://mirror.example/coco/")
    plan = Val2017().plan(asked())
    assert [stage.key for stage in make_plan(plan.stages)] == keys
    assert plan.stages[1].locations["url"] == "http://mirror.example/coco/zips/val2017.zip"


def test_the_whole_set(mirror: Any, run_plan: RunPlan) -> None:
    plan = Val2017().plan(asked())
    view = run_plan(plan)
    samples = list(Val2017().samples(view, 0, plan.count))
    assert [sample.id for sample in samples] == IDS
    assert samples[0].size == (20, 30)
    assert Val2017().truth(view).name == "instances.json"
    assert all(not path.startswith("/val2017/") for path in mirror.asked)
    assert downloads() == [], "archives that were unpacked take no space"


def test_an_archive_brought_by_hand_is_used_and_stays(mirror: Any, run_plan: RunPlan) -> None:
    kept = Path(os.environ["ZOO_HOME"]) / "downloads" / "coco" / "val2017.zip"
    kept.parent.mkdir(parents=True)
    shutil.copy(mirror.root / "zips" / "val2017.zip", kept)
    run_plan(Val2017().plan(asked()))
    assert "/zips/val2017.zip" not in mirror.asked
    assert kept.is_file()


def test_a_limit_fetches_only_what_it_needs_and_growing_only_the_rest(
    mirror: Any, run_plan: RunPlan
) -> None:
    plan = Val2017().plan(asked(limit=2))
    assert (plan.count, plan.of) == (2, 5)
    view = run_plan(plan)
    assert [sample.name for sample in Val2017().samples(view, 0, 2)] == NAMES[:2]
    assert sorted(path.name for path in view.paths["images"].iterdir()) == NAMES[:2]
    assert "/zips/val2017.zip" not in mirror.asked
    mirror.asked.clear()
    run_plan(Val2017().plan(asked(limit=4)))
    images = [path for path in mirror.asked if path.startswith("/val2017/")]
    assert sorted(images) == [f"/val2017/{name}" for name in NAMES[2:4]]


def test_a_missing_image_ends_it_and_names_the_url(mirror: Any, run_plan: RunPlan) -> None:
    (mirror.root / "val2017" / NAMES[1]).unlink()
    with pytest.raises(DataError, match="404") as caught:
        run_plan(Val2017().plan(asked(limit=3)))
    assert NAMES[1] in str(caught.value)


def test_a_wrong_archive_is_refused_and_removed(mirror: Any, run_plan: RunPlan) -> None:
    path = mirror.root / "annotations" / "annotations_trainval2017.zip"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="not the expected file"):
        run_plan(Val2017().plan(asked(limit=1)))
    assert downloads() == []


def test_an_archive_without_the_member(mirror: Any, run_stage: Any) -> None:
    stage = Val2017().plan(asked()).stages[0]
    wrong = replace(stage, params={**stage.params, "member": "annotations/absent.json"})
    with pytest.raises(DataError, match="lacks"):
        run_stage(wrong)


def test_an_archive_is_not_removed_from_under_another_stage(mirror: Any, tmp_path: Path) -> None:
    """The second stage comes while the first unpacks, and looks when the first is done."""
    stage = Val2017().plan(asked()).stages[0]
    context = StageContext(
        inputs={},
        params=stage.params,
        locations=stage.locations,
        out=tmp_path,
        log=tmp_path / "log.txt",
        resume_dir=tmp_path / "resume_dir",
        progress=lambda _done, _total, _note="": None,
        plugins=cast("Any", None),
        sessions=cast("Any", None),
    )
    seen: list[int] = []
    other_has_it, first_is_done = Event(), Event()

    def look() -> None:
        with val2017_stages._archive(context) as path:
            other_has_it.set()
            first_is_done.wait(10)
            seen.append(path.stat().st_size)

    other = Thread(target=look)
    with val2017_stages._archive(context) as path:
        size = path.stat().st_size
        other.start()
        other_has_it.wait(0.5)
    first_is_done.set()
    other.join(10)
    assert seen == [size]
    assert downloads() == []


def test_the_calibration_list_is_fixed() -> None:
    rows = calibration_list()
    assert len(rows) == 64
    assert rows[0]["name"] == "000000000009.jpg"
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    plan = Val2017().plan(asked("calibrate", 50))
    assert (plan.count, plan.of, plan.has_truth) == (50, 64, False)
    assert Val2017().plan(asked("calibrate")).count == 64
    with pytest.raises(UsageError, match="has 64 images, not 65"):
        Val2017().plan(asked("calibrate", 65))


def test_calibration_images_are_fetched_one_by_one(site: Any, run_plan: RunPlan) -> None:
    data = os.environ.get("ZOO_TEST_DATA")
    if not data:
        pytest.skip("ZOO_TEST_DATA is unset: no images of train2017 here")
    shutil.copytree(Path(data) / "coco-train2017-64" / "images", site.root / "train2017")
    plan = Val2017().plan(asked("calibrate", 64))
    view = run_plan(plan)
    samples = list(Val2017().samples(view, 0, 64))
    assert [sample.id for sample in samples] == [row["id"] for row in calibration_list()]
    assert all(sample.path.is_file() for sample in samples)
    assert len(site.asked) == 64


def test_another_image_than_the_listed_one_is_refused(site: Any, run_plan: RunPlan) -> None:
    row = calibration_list()[0]
    (site.root / "train2017").mkdir()
    (site.root / "train2017" / row["name"]).write_bytes(b"\xff\xd8" + bytes(row["size"] - 2))
    with pytest.raises(DataError, match="not the expected file: sha256"):
        run_plan(Val2017().plan(asked("calibrate", 1)))


def test_given_images_are_another_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="brings its own images"):
        Val2017().plan(DataRequest(purpose="evaluate", images=tmp_path))


def test_a_larger_limit_keeps_the_keys_of_full_shards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(datasets, "SHARD", 2)

    def keys(limit: int) -> list[str]:
        data = Val2017().plan(asked(limit=limit))
        reading = [
            Stage(
                name=f"read-{shard.start}",
                run="zoo_core.pipeline.stages.predict:shard",
                params={"start": shard.start, "stop": shard.stop, "content": shard.content},
                inputs=data.inputs,
                ranges=tuple(data.inputs),
            )
            for shard in data.shards
        ]
        return [item.key for item in make_plan([*data.stages, *reading])][len(data.stages) :]

    few, more = keys(3), keys(4)
    assert few[0] == more[0]
    assert few[1] != more[1]

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from zoo_sample.dataset import SampleScenes

from zoo_core.api import DataRequest, Stage
from zoo_core.errors import UsageError
from zoo_core.pipeline.plan import make_plan
from zoo_core.toolkit import datasets

if TYPE_CHECKING:
    from pathlib import Path


def asked(purpose: str, limit: int | None = None) -> DataRequest:
    return DataRequest(purpose=purpose, limit=limit)


def test_counts_are_known_before_anything_is_drawn() -> None:
    plan = SampleScenes().plan(asked("evaluate"))
    assert (plan.kind, plan.count, plan.of, plan.has_truth) == ("sample", 200, 200, True)
    assert SampleScenes().plan(asked("evaluate", 7)).count == 7
    assert SampleScenes().plan(asked("evaluate", 999)).count == 200
    assert SampleScenes().plan(asked("calibrate", 50)).count == 50
    with pytest.raises(UsageError, match="1000 calibration scenes"):
        SampleScenes().plan(asked("calibrate", 1001))


def test_both_purposes_fit_into_one_plan() -> None:
    calibration = SampleScenes().plan(asked("calibrate", 50))
    evaluation = SampleScenes().plan(asked("evaluate"))
    assert len(make_plan([*calibration.stages, *evaluation.stages])) == 2
    assert calibration.shards[0].content != evaluation.shards[0].content


def test_only_what_is_asked_for_is_drawn(run_plan: Any) -> None:
    plan = SampleScenes().plan(asked("evaluate", 3))
    view = run_plan(plan)
    samples = list(SampleScenes().samples(view, 0, 3))
    assert len(list(view.paths["images"].iterdir())) == 3
    assert [sample.size for sample in samples] == [(416, 416)] * 3
    picture = cv2.imread(str(samples[0].path))
    assert picture is not None
    assert picture.shape == (416, 416, 3)
    assert SampleScenes().truth(view).is_file()


def test_calibration_and_evaluation_are_disjoint(run_plan: Any) -> None:
    seen = [
        {sample.id for sample in SampleScenes().samples(run_plan(plan), 0, 2)}
        for plan in (
            SampleScenes().plan(asked("calibrate", 2)),
            SampleScenes().plan(asked("evaluate", 2)),
        )
    ]
    assert len(seen[0] | seen[1]) == 4


def test_drawing_again_gives_the_same_bytes(run_plan: Any) -> None:
    plan = SampleScenes().plan(asked("evaluate", 1))
    first, second = (next(SampleScenes().samples(run_plan(plan), 0, 1)).path for _ in range(2))
    np.testing.assert_array_equal(
        np.frombuffer(first.read_bytes(), np.uint8), np.frombuffer(second.read_bytes(), np.uint8)
    )


def test_given_images_are_another_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="draws its own images"):
        SampleScenes().plan(DataRequest(purpose="evaluate", images=tmp_path))


def test_a_larger_limit_keeps_the_keys_of_full_shards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(datasets, "SHARD", 2)

    def keys(limit: int) -> list[str]:
        data = SampleScenes().plan(asked("evaluate", limit))
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

"""The contract of a data set: a fixed order, shards that cover it, samples that open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from zoo_core.api import DataRequest, DataView
from zoo_core.errors import DataError, ZooError
from zoo_core.testing.contracts.base import PlanningContract
from zoo_core.testing.contracts.checks import must, refusal
from zoo_core.testing.stages import run_stages
from zoo_core.vision import read_rgb

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo_core.api import DataPlan, Sample
    from zoo_core.testing.contracts.base import Planned

_KINDS = ("published", "given", "sample")
_SHARED = "dataset-stages"


class DatasetContract(PlanningContract):
    """What a data set keeps. Subclass it, set `plugin` and `name`.

    `limit` is a number of samples below the whole. Override `request` where the set wants a folder
    of images, and `opened` where its stages need a network that tests do not have.
    """

    kind: ClassVar[str] = "dataset"
    method = "plan"
    purpose: str = "evaluate"
    limit: int = 2

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        """The request; files may be written to `folder`, the same at each call."""
        return DataRequest(purpose=self.purpose, limit=limit)

    def opened(self, plan: DataPlan, folder: Path) -> DataView:
        """The plan with its stages run, once for all tests: `folder` is one test's own."""
        done = run_stages(plan.stages, folder.parent / _SHARED, self._plugins())
        paths = {name: folder / place for name, place in plan.locations.items()}
        for name, ref in plan.inputs.items():
            stage, _, file = ref.partition("/")
            paths[name] = done[stage] / file
        return DataView(paths=paths, params=plan.params)

    def test_its_stages_resolve_and_chain(self, tmp_path: Path) -> None:
        """And its inputs name what they leave."""
        super().test_its_stages_resolve_and_chain(tmp_path)
        plan = self._plan(tmp_path)
        outputs = {f"{stage.name}/{file}" for stage in plan.stages for file in stage.outputs}
        for name, ref in plan.inputs.items():
            must(ref in outputs, f"its input '{name}' is '{ref}', which no stage leaves")

    def test_the_plan_is_of_this_set(self, tmp_path: Path) -> None:
        """Its name, a known kind, and counts that fit together."""
        whole, part = self._plan(tmp_path), self._plan(tmp_path, self.limit)
        must(whole.dataset == self.name, f"the plan is of '{whole.dataset}'")
        must(whole.kind in _KINDS, f"its kind is '{whole.kind}', not one of {', '.join(_KINDS)}")
        must(whole.count == whole.of, f"without a limit {whole.count} of {whole.of} are chosen")
        must(part.count == self.limit, f"a limit of {self.limit} chooses {part.count}")
        must(part.of == whole.of, f"with a limit the whole has {part.of}, without {whole.of}")

    def test_reads_answers_for_any_path(self, tmp_path: Path) -> None:
        """Where the set says what it reads: yes or no, and no for what is not there."""
        reads = getattr(self._provider(), "reads", None)
        if reads is None:
            pytest.skip("it does not say what it reads")
        for path in (tmp_path, *tmp_path.iterdir()):
            must(reads(path) in (True, False), f"reads({path.name}) is not an answer")
        must(reads(tmp_path / "absent") is False, "it reads a file that is not there")

    def test_shards_cover_the_samples(self, tmp_path: Path) -> None:
        """From the first to the last, in order, none twice."""
        for limit in (None, self.limit):
            plan = self._plan(tmp_path, limit)
            at = 0
            for shard in plan.shards:
                must(shard.start == at, f"a shard begins at {shard.start}, not {at}")
                must(shard.stop > shard.start, f"the shard at {shard.start} is empty")
                at = shard.stop
            must(at == plan.count, f"the shards end at {at} of {plan.count} samples")

    def test_content_tells_choices_apart(self, tmp_path: Path) -> None:
        """A limit is another choice; shards of one plan differ."""
        whole, part = self._plan(tmp_path), self._plan(tmp_path, self.limit)
        must(whole.content != part.content, "the content does not change with the limit")
        contents = [shard.content for shard in whole.shards]
        must(len(set(contents)) == len(contents), "two shards have one content")

    def test_the_order_is_fixed_and_a_limit_is_a_prefix(self, tmp_path: Path) -> None:
        """Ids that differ and that JSON can hold; a range is a slice."""
        whole = self._samples(tmp_path)
        ids = [sample.id for sample in whole]
        must(ids == [s.id for s in self._samples(tmp_path)], "the order differs from call to call")
        must(len(set(ids)) == len(ids), "two samples have one id")
        must(len(ids) == self._plan(tmp_path).count, f"{len(ids)} samples, not as planned")
        must(json.loads(json.dumps(ids)) == ids, "ids are not what JSON can hold")
        must(self.limit < len(ids), f"`limit` must be below the {len(ids)} samples")
        part = [sample.id for sample in self._samples(tmp_path, self.limit)]
        must(part == ids[: self.limit], "a limit does not choose the first samples")
        middle = [s.id for s in self._samples(tmp_path, None, (1, self.limit))]
        must(middle == ids[1 : self.limit], "samples(1, n) is not a slice of the whole")

    def test_samples_open(self, tmp_path: Path) -> None:
        """As images of the size that is stated."""
        for sample in self._samples(tmp_path):
            must(sample.path.is_file(), f"{sample.path} is not there")
            try:
                read_rgb(sample.path, expect=sample.size)
            except ZooError as error:
                raise AssertionError(f"sample {sample.id!r} does not open: {error}") from error

    def test_its_truth_is_there(self, tmp_path: Path) -> None:
        """Where the plan says so."""
        plan = self._plan(tmp_path)
        if not plan.has_truth:
            pytest.skip("it has no ground truth")
        truth = self._provider().truth(self.opened(plan, tmp_path))
        must(truth.exists() and truth.stat().st_size, f"there is no ground truth at {truth}")

    def test_a_missing_image_is_a_data_error(self, tmp_path: Path) -> None:
        """Not a surprise further on."""
        view = self.opened(self._plan(tmp_path), tmp_path)
        first = next(iter(self._provider().samples(view, 0, 1)))
        aside = first.path.with_name(f"{first.path.name}.aside")
        if not first.path.resolve().is_relative_to(tmp_path.parent.resolve()):
            pytest.skip("its images do not lie where a test may move them")
        first.path.rename(aside)
        try:
            opened = map(read_rgb, (s.path for s in self._provider().samples(view, 0, 1)))
            refusal(lambda: list(opened), DataError, "a missing image")
        finally:
            aside.rename(first.path)

    def _calls(self, folder: Path) -> Iterable[tuple[Any, ...]]:
        return [(self.request(folder, None),)]

    def _plans(self, folder: Path) -> Iterable[Planned]:
        stages = self._plan(folder).stages
        return [((), stages)] if stages else []

    def _plan(self, folder: Path, limit: int | None = None) -> DataPlan:
        plan: DataPlan = self._provider().plan(self.request(folder, limit))
        return plan

    def _samples(
        self, folder: Path, limit: int | None = None, part: tuple[int, int] | None = None
    ) -> list[Sample]:
        plan = self._plan(folder, limit)
        start, stop = part or (0, plan.count)
        return list(self._provider().samples(self.opened(plan, folder), start, stop))

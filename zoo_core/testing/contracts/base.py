"""What contracts share: one provider of one plugin, a cache folder of its own, plans of stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from zoo_core.testing.contracts.checks import check_planning, check_stages, must, plugins_of
from zoo_core.testing.isolation import Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import ModuleType

    from zoo_core.api import Stage
    from zoo_core.plugins.manager import Plugins

    Planned = tuple[Sequence[Stage], Sequence[Stage]]
    """Stages of a provider, after those that they need."""


class Contract:
    """A contract for providers of one `kind`; its tests never touch the user's cache folder.

    `partners` are the plugins that the provider works with where `plugin` does not bring them.
    """

    kind: ClassVar[str]
    plugin: ModuleType
    name: str = ""
    partners: tuple[ModuleType, ...] = ()

    @pytest.fixture(autouse=True)
    def _own_home(
        self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("zoo-home")))

    def _plugins(self) -> Plugins:
        return plugins_of(self.plugin, self.partners)

    def _provider(self) -> Any:
        return self._plugins().load(self.kind, self.name)

    def _question(self, method: str = "", *calls: tuple[Any, ...]) -> Question:
        plugin = self.plugin.__name__
        return Question(plugin=plugin, kind=self.kind, name=self.name, method=method, calls=calls)


class TaskContract(Contract):
    """A contract for providers of one `task`."""

    task: str

    def test_its_task_is_the_one_said(self) -> None:
        """The word that cards, data sets, decoders and evaluators share."""
        task = self._provider().task
        must(task == self.task, f"its task is '{task}'")


class PlanningContract(Contract):
    """A contract for providers that plan stages with a `method`.

    The stages leave the files and folders named in `leaves`, the `last` one where it is named.
    """

    method: ClassVar[str] = "stages"
    last: ClassVar[str] = ""
    leaves: ClassVar[tuple[str, ...]] = ()

    def test_planning_is_pure_and_light(self, tmp_path: Path) -> None:
        """The same stages from call to call and from process to process; nothing is done."""
        question = self._question(self.method, *self._calls(tmp_path))
        check_planning(question, getattr(self._provider(), self.method), tmp_path)

    def test_its_stages_resolve_and_chain(self, tmp_path: Path) -> None:
        """`Stage.run` can be imported, inputs name earlier outputs, the files expected come out."""
        for before, stages in self._plans(tmp_path):
            check_stages(before, stages)
            last, makers = stages[-1].name, stages[-1:] if self.last else stages
            must(self.last in ("", last), f"the last stage is '{last}', not '{self.last}'")
            outputs = [name for stage in makers for name in stage.outputs]
            for name in self.leaves:
                must(name in outputs, f"{name} is not among the outputs {', '.join(outputs)}")

    def _calls(self, folder: Path) -> Iterable[tuple[Any, ...]]:
        """Arguments of each call to the method."""
        raise NotImplementedError

    def _plans(self, folder: Path) -> Iterable[Planned]:
        """What each of the calls plans, after the stages that it needs."""
        raise NotImplementedError

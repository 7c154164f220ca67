"""Shell completion: names in the registry and of providers."""

from __future__ import annotations


def models(incomplete: str) -> list[str]:
    """Model ids that start with `incomplete`."""
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import load_registry

    known = load_registry(Plugins.installed().registry_files()).models
    return [name for name in known if name.startswith(incomplete)]


def runnable(incomplete: str) -> list[str]:
    """Ids of models that can run here, as far as is known without the network."""
    from zoo_core.commands.models import lack_of
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import load_registry

    plugins = Plugins.installed()
    cards = load_registry(plugins.registry_files()).models.values()
    named = (card for card in cards if card.id.startswith(incomplete))
    return [card.id for card in named if not lack_of(card, plugins).thing]


def backends(incomplete: str) -> list[str]:
    """Backend names that start with `incomplete`."""
    from zoo_core.plugins.manager import Plugins

    return [name for name in Plugins.installed().backends() if name.startswith(incomplete)]


def protocols(incomplete: str) -> list[str]:
    """Protocol names that start with `incomplete`."""
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import load_registry

    known = load_registry(Plugins.installed().registry_files()).protocols
    return [name for name in known if name.startswith(incomplete)]


def datasets(incomplete: str) -> list[str]:
    """Data set names that start with `incomplete`."""
    from zoo_core.plugins.manager import Plugins

    return [name for name in Plugins.installed().all("dataset") if name.startswith(incomplete)]

"""Shell completion: names in the registry and of providers."""

from __future__ import annotations


def models(incomplete: str) -> list[str]:
    """Model ids that start with `incomplete`."""
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import load_registry

    known = load_registry(Plugins.installed().registry_files()).models
    return [name for name in known if name.startswith(incomplete)]


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

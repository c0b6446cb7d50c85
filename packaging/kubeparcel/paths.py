"""The paths of the program's own data and of the user's cache."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def template_dir() -> Path:
    """Return the folder of templates: inside the wheel, or next to `packaging/` in a checkout."""
    installed = PACKAGE / "templates"
    return installed if installed.is_dir() else PACKAGE.parents[1] / "templates"


def cache_dir() -> Path:
    """Return the cache folder for downloads, compiled binaries and built packages.

    KUBEPARCEL_CACHE overrides it; XDG_CACHE_HOME is honoured.
    """
    override = os.environ.get("KUBEPARCEL_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("kubeparcel")

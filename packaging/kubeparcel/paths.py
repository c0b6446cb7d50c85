"""Where our own data and the user's cache are."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def template_dir() -> Path:
    """The folder of templates: inside an installed wheel, or beside `packaging/` in a checkout."""
    inside = PACKAGE / "templates"
    return inside if inside.is_dir() else PACKAGE.parents[1] / "templates"


def cache_dir() -> Path:
    """The user's cache for downloads, compiled binaries and made packages.

    KUBEPARCEL_CACHE names another place; XDG_CACHE_HOME is honoured.
    """
    named = os.environ.get("KUBEPARCEL_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("kubeparcel")

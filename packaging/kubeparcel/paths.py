"""The paths of the program's own data and of the user's cache."""

import hashlib
import os
from pathlib import Path

from kubeparcel.errors import ConfigurationError

PACKAGE = Path(__file__).resolve().parent


def source_digest(*patterns: str) -> str:
    """Return a digest of the program's own files, by patterns of their paths."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(PACKAGE.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def template_dir() -> Path:
    """Return the folder of templates: inside the wheel, or next to `packaging/` in a checkout."""
    installed = PACKAGE / "templates"
    return installed if installed.is_dir() else PACKAGE.parents[1] / "templates"


def cache_dir() -> Path:
    """Return the folder of downloads, binaries and packages: KUBEPARCEL_CACHE, or a folder below XDG_CACHE_HOME."""
    override = os.environ.get("KUBEPARCEL_CACHE")
    if override:
        return user_path(override)
    import platformdirs

    return platformdirs.user_cache_path("kubeparcel")


def config_dir() -> Path:
    """Return the folder of signing keys and of the cache's key. KUBEPARCEL_CONFIG overrides it."""
    override = os.environ.get("KUBEPARCEL_CONFIG")
    if override:
        return user_path(override)
    import platformdirs

    return platformdirs.user_config_path("kubeparcel")


def user_path(text: str | Path) -> Path:
    """Return the absolute path of a user's text, with `~` and `~USER` expanded; raises ConfigurationError."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ConfigurationError(f"Invalid path {str(text)!r}: this user has no home folder.") from None


def display_path(path: Path) -> str:
    """Return a path as messages show it: relative to the working directory where it is below."""
    cwd = Path.cwd()
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)

"""The environment variables that the program reads: limits are set, unknown variables rejected."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from kubeparcel.errors import ConfigurationError
from kubeparcel.packages import limits

ENVIRONMENT: Mapping[str, str] = {
    "KUBEPARCEL_ARCHIVES": "folder with archives of control plane images, made by docker save",
    "KUBEPARCEL_CACHE": "cache folder, by default ~/.cache/kubeparcel",
    "KUBEPARCEL_CONFIG": "folder with the signing keys, by default ~/.config/kubeparcel",
    "KUBEPARCEL_DEBIAN": "URL of the Debian archive that images of hosts are made from",
    "KUBEPARCEL_DEBUG": "print the traceback of an error, as --debug does",
    "KUBEPARCEL_ENGINE": "container engine: podman or docker",
    "KUBEPARCEL_IMAGES": "images of hosts, as HOST=IMAGE separated by commas",
    "KUBEPARCEL_CACHE_KEY": "secret text that authenticates the records of a cache that several machines share",
    "KUBEPARCEL_KEY_PASSPHRASE": "passphrase of the signing key",
    "KUBEPARCEL_KEY_PASSPHRASE_FILE": "file with the passphrase of the signing key",
    "KUBEPARCEL_RELEASE": "the release of kubeparcel that the GitLab component installs",
    "KUBEPARCEL_REGISTRY": "registry that mirrors all images",
    "KUBEPARCEL_VENV": "virtual environment of ./inv, by default .venv in the checkout",
    "SOURCE_DATE_EPOCH": "time stamp of all files in packages, instead of the release date",
    "NO_COLOR": "print without colors",
    "CI": "print progress as plain lines",
}
"""The environment variables that are read, other than those that override settings."""

_PREFIX = "KUBEPARCEL_"
_SERVICE = re.compile(r"KUBEPARCEL(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
"""What Kubernetes sets in pods next to a service named kubeparcel or kubeparcel-NAME."""


def apply_environment() -> None:
    """Set the limits; raise ConfigurationError for an unknown KUBEPARCEL_* variable."""
    limits.adjust(os.environ)
    known = {*ENVIRONMENT, *(limit.variable for limit in limits.table())}
    unknown = {name for name in os.environ if name.startswith(_PREFIX)} - known
    if not unknown:
        return
    from difflib import get_close_matches

    from kubeparcel.config.setting_layers import FILE_ONLY
    from kubeparcel.config.settings import Settings

    settings = {_PREFIX + name.upper() for name in Settings.model_fields if name not in FILE_ONLY}
    for name in sorted(unknown - settings):
        if _SERVICE.fullmatch(name):
            continue
        names = [other.removeprefix(_PREFIX) for other in (*known, *settings)]
        nearest = get_close_matches(name.removeprefix(_PREFIX), names, 1, 0.8)
        suggestion = f' Did you mean "{_PREFIX}{nearest[0]}"?' if nearest else ""
        raise ConfigurationError(
            f"{name} is not a variable of kubeparcel.{suggestion}",
            "All variables: docs/reference/commands.md, configuration.md and limits.md",
        )

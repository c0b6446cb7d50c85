"""Render templates; an undefined name in a template is an error.

The environment is a sandbox: `attest --rebuild` renders what the settings of a foreign statement name.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from kubeparcel import paths
from kubeparcel.errors import ConfigurationError


def render(name: str, context: Mapping[str, Any], base: Path | None = None) -> str:
    """Render a template of the program, or of the user below `base`.

    Raises ConfigurationError with the template, the line and the problem.
    """
    try:
        return _environment(base).get_template(name).render(context)
    except jinja2.TemplateNotFound as error:
        included = "" if error.name == name else f" (included by {name})"
        raise ConfigurationError(
            f"Template {error.name} not found{included}.",
            f"Templates are searched in {paths.template_dir()} and next to kubeparcel.yaml.",
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise ConfigurationError(f"{error.name}:{error.lineno}: {error.message}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: not valid UTF-8 ({error.reason}).") from None
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        names = ", ".join(sorted(context))
        raise ConfigurationError(f"{_location(error, name, base)}: {error}.", f"Available names: {names}.") from None


@functools.cache
def _environment(base: Path | None) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        autoescape=jinja2.select_autoescape(("html", "html.j2")),
        loader=jinja2.FileSystemLoader(_search_path(base)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _search_path(base: Path | None) -> list[Path]:
    return [paths.template_dir(), *([base] if base else [])]


def _location(error: BaseException, name: str, base: Path | None) -> str:
    """Return `NAME:LINE` of the innermost template, from the frames that jinja2 adds."""
    location = name
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        for folder in _search_path(base):
            if file.is_relative_to(folder) and file.suffix != ".py":
                location = f"{file.relative_to(folder).as_posix()}:{line}"
    return location

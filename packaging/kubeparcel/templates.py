"""Fills in the templates; a name that a template uses and nobody gave is an error."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from kubeparcel import paths
from kubeparcel.errors import ConfigurationError


def render(name: str, context: Mapping[str, Any], base: Path | None = None) -> str:
    """The text of a template: one of ours, or a file of the user's below `base`.

    Raises ConfigurationError naming the template, the line and what is wrong with it.
    """
    try:
        return _environment(base).get_template(name).render(context)
    except jinja2.TemplateNotFound as error:
        raise ConfigurationError(
            f"{name}: there is no template of that name ({error.name}).",
            f"Templates are looked for in {paths.template_dir()} and beside kubeparcel.yaml.",
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise ConfigurationError(f"{error.name}:{error.lineno}: {error.message}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: it is not UTF-8 text ({error.reason}).") from None
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        names = ", ".join(sorted(context))
        raise ConfigurationError(
            f"{_place(error, name, base)}: {error}.", f"A template may use: {names}."
        ) from None


@functools.cache
def _environment(base: Path | None) -> jinja2.Environment:
    return jinja2.Environment(  # noqa: S701 - what is written is not HTML
        loader=jinja2.FileSystemLoader(_places(base)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _places(base: Path | None) -> list[Path]:
    return [paths.template_dir(), *([base] if base else [])]


def _place(error: BaseException, name: str, base: Path | None) -> str:
    """`NAME:LINE` of the innermost template: jinja2 puts frames of theirs into the traceback."""
    place = name
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        for folder in _places(base):
            if file.is_relative_to(folder) and file.suffix != ".py":
                place = f"{file.relative_to(folder).as_posix()}:{line}"
    return place

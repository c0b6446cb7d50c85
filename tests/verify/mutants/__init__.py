"""All mutants."""

from .binaries import BINARIES
from .dropin import DROP_IN
from .files import FILES
from .metadata import METADATA
from .mutant import Mutant
from .relations import RELATIONS
from .scripts import SCRIPTS
from .units import UNIT

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = (*FILES, *METADATA, *RELATIONS, *BINARIES, *DROP_IN, *UNIT, *SCRIPTS)

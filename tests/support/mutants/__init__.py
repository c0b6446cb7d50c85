"""Mutants: packages with one fault each, and the check that must fail."""

from tests.support.mutants.binaries import BINARIES
from tests.support.mutants.dropin import DROP_IN
from tests.support.mutants.files import FILES
from tests.support.mutants.metadata import METADATA
from tests.support.mutants.mutant import Mutant
from tests.support.mutants.relations import RELATIONS
from tests.support.mutants.scripts import SCRIPTS
from tests.support.mutants.units import UNIT

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = (*FILES, *METADATA, *RELATIONS, *BINARIES, *DROP_IN, *UNIT, *SCRIPTS)

"""The checkout that is tested."""

from kubeparcel.paths import PACKAGE

ROOT = PACKAGE.parents[1]

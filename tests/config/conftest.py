"""Fixtures of the configuration tests: a function that writes kubeparcel.yaml."""

from tests.config.settings_table import write

"""Settings, kubeparcel.yaml, and the catalog of packages."""

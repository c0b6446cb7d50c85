"""Takes packages of other repositories into ours: verified as their clients do, only what is new, with a record."""

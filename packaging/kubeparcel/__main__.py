"""The command `kubeparcel`, also as `python -m kubeparcel`."""

from kubeparcel import startup  # noqa: F401  # isort: skip  # before everything that takes time
from kubeparcel.cli import main

if __name__ == "__main__":
    main()

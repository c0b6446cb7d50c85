"""`python -m kubeparcel` is the command `kubeparcel`."""

from .cli import main

if __name__ == "__main__":
    main()

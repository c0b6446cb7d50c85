"""`python -m kubeparcel` is the command `kubeparcel`."""

from kubeparcel.cli import main

if __name__ == "__main__":
    main()

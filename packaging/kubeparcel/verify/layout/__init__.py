"""The layout level: packages are read and checked without installing anything."""

LEVEL = "layout"

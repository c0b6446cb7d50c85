"""The packages in a folder to publish: scanned, read, matched with published ones, signed."""

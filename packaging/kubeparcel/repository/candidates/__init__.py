"""The packages given to a publish: found, read, matched with those published."""

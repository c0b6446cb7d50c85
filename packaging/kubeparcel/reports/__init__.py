"""Results of checks as values, the formats they are rendered in, and where reports are written."""

"""Results of checks, and the formats they are reported in."""

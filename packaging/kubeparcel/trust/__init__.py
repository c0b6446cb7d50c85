"""What packages contain and where they come from: SBOMs, statements and their signatures, known vulnerabilities."""

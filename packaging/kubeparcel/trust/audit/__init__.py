"""Known vulnerabilities of the binaries in packages: govulncheck, its database, and OpenVEX statements."""

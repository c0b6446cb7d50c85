"""The install level: packages are installed, upgraded and removed on real distributions."""

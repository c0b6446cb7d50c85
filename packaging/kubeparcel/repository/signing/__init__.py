"""Signing keys, and signatures of indexes and rpms: made with gpg, parsed with pysequoia."""

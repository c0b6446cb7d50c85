"""Figures of the whole program on real input, next to other tools in the same run."""

"""Figures of the whole program on real input, beside other tools in the same run."""

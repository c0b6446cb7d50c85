"""Units of work and who does them: threads of this process, or workers of a Dask scheduler."""

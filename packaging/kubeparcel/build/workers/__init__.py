"""Units of work, and what runs them: threads of this process, or workers of a Dask scheduler."""

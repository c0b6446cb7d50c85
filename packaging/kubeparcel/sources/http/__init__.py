"""The HTTP client: sessions, retries, resumed downloads."""

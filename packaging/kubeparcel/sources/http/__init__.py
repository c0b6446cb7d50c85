"""The HTTP client: sessions, requests, retries and resumed downloads."""

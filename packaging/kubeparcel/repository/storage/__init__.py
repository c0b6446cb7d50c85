"""Where repositories are kept: folders and S3-compatible buckets."""

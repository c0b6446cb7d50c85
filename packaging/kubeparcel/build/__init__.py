"""From a Kubernetes version to checked packages in the output folder."""

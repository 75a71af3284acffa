"""Hudhud on a Kubernetes cluster: what its jobs do there, and how it is put up and taken down."""

"""What goes wrong between us and a cluster, said for people."""


class ClusterError(Exception):
    """Something about the cluster is not as we need it; the message says what to do."""

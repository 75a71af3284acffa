"""All of Hudhud on one machine, in one command."""

import os

# gRPC would otherwise run handlers of its own in every child that is forked, and fail there: as
# root we start PostgreSQL as another user, which takes a fork. It reads this when imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

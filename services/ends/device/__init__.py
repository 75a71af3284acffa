"""The person's end: a client library (`Device`) and a terminal phone."""

"""What identity remembers, in PostgreSQL: the only place with SQL.

Functions take a connection from the action that they serve, which decides how far its transaction
goes and gives it a label.
"""

"""What billing remembers, in PostgreSQL: the only place with SQL.

Functions take a connection from the action that they serve, which decides how far its transaction
goes and gives it a label. Balances are read here and never written: they follow from the entries,
by a trigger of the migrations.
"""

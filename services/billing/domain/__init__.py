"""What billing knows of money: prices, reservations, entries. No database, no gRPC, no clock."""

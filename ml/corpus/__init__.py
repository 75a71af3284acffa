"""Messages written for Hudhud: patterns by language and class, and their expansion."""

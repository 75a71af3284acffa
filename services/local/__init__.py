"""All of Hudhud on one machine, in one command."""

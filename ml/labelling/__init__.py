"""Where a reviewer decides what messages are: what to look at, how it is shown, what is kept."""

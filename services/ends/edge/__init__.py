"""The business's end: plain messages in from the business's programs, sealed envelopes out."""

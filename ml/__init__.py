"""The classifier of Hudhud: its corpus, its features, how it is trained, measured and released."""

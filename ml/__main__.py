"""`python -m ml` is `hudhud-ml`."""

from ml.cli import main

main()

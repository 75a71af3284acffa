"""Labelled messages: files of them, the operator's store, and what people said about messages."""

from ml.data.records import BadLine
from ml.data.rows import LABEL_MEANINGS, Row, read_rows

__all__ = ["LABEL_MEANINGS", "BadLine", "Row", "read_rows"]

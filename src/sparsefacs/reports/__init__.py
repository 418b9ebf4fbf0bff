"""Tables, plots and the one-page HTML report."""

from .page import report
from .tables import text_table

__all__ = ["report", "text_table"]

"""Names of logged terms in words, for a progress line and for curves; log.csv and TensorBoard have the names."""

_WORDS = {
    "recognition": "loss on labels",
    "selection_loss": "loss for choosing the epoch",
    "selection_f1": "F1 for choosing the epoch",
    "selection_icc": "ICC for choosing the epoch",
}


def in_words(term: str) -> str:
    """Return what a reader who knows no code is told a logged term is."""
    return _WORDS.get(term, term.replace("_", " "))

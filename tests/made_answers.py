"""Answers as the page of `label` sends them."""

AUS = (1, 4, 12)


def said(row: int, *present: int, state: str = "coded", **more) -> dict:
    """Return what the page sends of a row in which these AUs are present, and the others absent."""
    return {
        "row": row,
        "state": state,
        "occurrence": {str(au): int(au in present) for au in AUS},
        "intensity": {},
        "sides": {},
        "note": "",
        "seconds": 1.5,
    } | more

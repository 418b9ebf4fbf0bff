"""A packaged coder's card as text."""

from typing import Any


def card_text(card: dict[str, Any], *, whole: bool) -> str:
    """Return what is to be known of a coder: a line, or with `whole` all of its card."""
    aus = ",".join(map(str, card["aus"]))
    free = "free for any use" if card["free"] else "not free for any use: see its lineage"
    first = f"{card['name']}: {card['title']}; {card['bytes'] / 1e6:.1f} MB, {card['licence']}, {free}; AUs {aus}"
    if not whole:
        return first
    lines = [first, "", "Made by:", *(f"  {line}" for line in card["made_by"]), "", "Rests on:"]
    lines += [f"  {entry['what']}: {entry['name']}: {entry['terms']}" for entry in card["lineage"]]
    lines += ["", "Scores:", *(f"  {line}" for line in card["scores_told"])]
    lines += ["", "What it cannot do:", *(f"  {line}" for line in card["cannot"])]
    return "\n".join(lines)

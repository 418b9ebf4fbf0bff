"""The card of a run: its protocol, fold, labels and choices, as JSON (protocol.json) and in words."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .division import Fold, Protocol
from .selection import FOOTNOTE, MARK, SELECTION_RULES, is_marked, parse_selection

WIDTH = 100
_HEAD = 11


def protocol_card(
    protocol: Protocol, fold: Fold, labels_card: Mapping[str, Any], selection: str, store_facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what protocol.json holds: who trains, validates and tests, which labels are seen, all hashes.

    labels_card: of `budget_card`; selection: a rule of `SELECTION_RULES`; store_facts: further keys, such as store,
    store_hash, recipe_hash, unlabelled_store, labelled_faces. The content equals itself read back from JSON.
    Raises InputError for an unknown rule.
    """
    rule = parse_selection(selection)
    names = [other.name for other in protocol.folds]
    number = names.index(fold.name) + 1 if fold.name in names else None
    card: dict[str, Any] = {
        "protocol": protocol.as_json(),
        "protocol_hash": protocol.hash,
        "fold": fold.as_json() | {"number": number, "folds": len(names)},
        "labels": dict(labels_card),
        **store_facts,
        "selection": rule,
        "selection_rule": SELECTION_RULES[rule],
    }
    if aus := [int(au) for au in labels_card.get("per_au", {})]:
        card["aus"] = aus
    return card


def card_text(card: Mapping[str, Any]) -> str:
    """Return the card in plain words: 10 to 13 lines of at most 100 columns; cards of earlier runs read too.

    `reach`, where the card has it (of `engine.reach`), adds a line for every three AUs.
    """
    protocol, fold, labels = card["protocol"], card["fold"], card["labels"]
    place = f" ({fold['number']} of {fold['folds']})" if fold.get("number") else ""
    lines = {
        "protocol": f"{protocol['name']}, fold {fold['name']}{place}, folds' hash {card['protocol_hash']}",
        "from": protocol["source"],
        "trains": _people(fold["train"]),
        "validates": _people(fold.get("validation", ())),
        "tests": _people(fold["test"]),
        "AUs": " ".join(map(str, card.get("aus", ()))),
        "labels": _labels(labels),
        "active": _active(labels),
        "per AU": _reach(card.get("reach", {})),
        "patterns": _patterns(labels.get("combinations", {})),
        "faces": f"{card.get('labelled_faces', 0):,} with and {card.get('unlabelled_faces', 0):,} without "
        f"visible labels, labels' hash {labels['hash']}",
        "store": f"{_tail(card.get('store'))}, hash {card.get('store_hash')}, faces cut by {card.get('recipe_hash')}",
        "unlabelled": _tail(card.get("unlabelled_store")),
        "selection": _selection(card),
        "note": "; ".join(protocol.get("notes", ())),
    }
    return "\n".join(f"{head:<{_HEAD}}{_fit(text)}" for head, text in lines.items() if text)


def _fit(text: str) -> str:
    if "\n" in text:  # lines that fit already
        return text
    line = " ".join(text.split())
    return line if len(line) <= WIDTH - _HEAD else f"{line[: WIDTH - _HEAD - 2].rstrip(' ,')} …"


def _people(names: Sequence[str]) -> str:
    return f"{len(names)} subject{'s' * (len(names) != 1)}: {', '.join(names)}" if names else "no subject"


def _labels(labels: Mapping[str, Any]) -> str:
    told = f"{labels['spec']}, seed {labels['seed']}: {labels['entries']:,} labels on {labels['frames']:,} faces"
    if "per_au" in labels:
        told += f" of {labels['subjects']} subjects ({labels['percent']:.3g} %)"
    return told


def _active(labels: Mapping[str, Any]) -> str:
    """Say how often each AU is active among its visible occurrence labels, in the order of the AUs."""
    each = [
        (counts["positive"], counts["positive"] + counts["negative"]) for counts in labels.get("per_au", {}).values()
    ]
    if not any(coded for _, coded in each):
        return ""
    shares = " ".join(f"{100 * active / coded:.0f}" if coded else "–" for active, coded in each)
    return f"{shares} % of the visible labels of these AUs"


def _reach(found: Mapping[str, Any]) -> str:
    """Say on how many frames, of how many people, each AU is active on either side; in lines of three AUs."""
    if not found:
        return ""

    def told(side: str, au: str) -> str:
        return f"{found[side][au]['active']:,} ({found[side][au]['active_people']})"

    each = [f"AU{au}: {told('train', au)} | {told('test', au)}" for au in found["train"]]
    lines = ["frames that show it (people): to train on | to test on"]
    lines += ["".join(f"{one:<29}" for one in each[first : first + 3]).rstrip() for first in range(0, len(each), 3)]
    return f"\n{'':<{_HEAD}}".join(lines)


def _patterns(found: Mapping[str, Any]) -> str:
    """Say how many AU combinations the visible labels keep."""
    if not found:
        return ""
    return (
        f"{found['kept']:,} of all {found['all']:,} combinations of AUs are on {found['faces']:,} labelled faces; "
        f"coding whole clips: {found['dense']:,.0f}"
    )


def _tail(path: str | Sequence[str] | None, length: int = 28) -> str:
    """Return the end of a path, which tells stores apart; of several joined stores, their names."""
    if path is not None and not isinstance(path, str):
        path = " + ".join(PurePath(one).name for one in path)
    return path or "" if len(path or "") <= length else f"…{str(path)[1 - length :]}"


def _selection(card: Mapping[str, Any]) -> str:
    if is_marked(card.get("selection", "")):
        return f"{MARK} {FOOTNOTE}"
    return str(card.get("selection_rule", ""))

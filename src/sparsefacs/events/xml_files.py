"""Other programs' XML: without namespaces, and never with entities, which can swallow memory or other files."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ..errors import InputError

_BEGINNING = 65536


def begins_with(path: Path, *words: bytes) -> bool:
    """Say whether any of `words` stands in the beginning of the file `path`, in UTF-8 or UTF-16; never raises."""
    try:
        with path.open("rb") as handle:
            start = handle.read(_BEGINNING).replace(b"\0", b"")
    except OSError:
        return False
    return any(word in start for word in words)


def read_xml(path: Path, *, what: str) -> Element:
    """Return the root of the XML file `path`, tags and attributes without their namespaces.

    what: the kind of file, for the message. Raises InputError for what is no whole XML, and for any that declares a
    document type or entities.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="\t")
    parser.buffer_text = True

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        builder.start(_local(tag), {_local(name): value for name, value in attributes.items()})

    def refuse(*_: object) -> None:
        raise InputError(
            f"declares a document type, which a {what} has not, and is not read", path=path, remedy="Save it again"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: builder.end(_local(tag))
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
        root: Element = builder.close()
        return root
    except FileNotFoundError as error:
        raise InputError("is not there", path=path, remedy="Check the name") from error
    except InputError:
        raise
    except (expat.ExpatError, OSError, LookupError, ValueError, AssertionError) as error:
        raise InputError(
            f"cannot be read as a {what} ({error})", path=path, remedy="Save it again, or restore a copy"
        ) from error


def _local(name: str) -> str:
    return name.rpartition("\t")[2]

"""Fake face collections without frame-by-frame labels: EmotioNet, AffectNet, CASIA-WebFace, IMDB-WIKI, CelebA.

Every collection has, beside its good photos, one JPEG that breaks off and one too small to be coded. A person has
`shape.photos` good photos, each another day, light and expression.

Layout after public loaders: EmotioNet's tab-separated lists without a header (EMOCA `emotionet`), AffectNet's
`.npy` files of text (a number in quotes) and 136 numbers, IMDB-WIKI's struct of 1 × N columns (`get_meta`), CelebA's
lists as torchvision reads them.
"""

import hashlib
import io
from collections.abc import Iterator
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .faces import Cast, Face
from .matlab import cells, v5
from .writing import Shape, Tree

EMOTIONET_AUS = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26)
EMOTIONET_COLUMNS = range(1, 61)
AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
CELEBA_POINTS = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)
NEUTRAL, HAPPY, SAD, SURPRISE, DISGUST, ANGER, NO_FACE = 0, 1, 2, 3, 5, 6, 10
_MOODS = (  # AUs that must all act, expression, valence, arousal: the first that fits
    ((6, 12), HAPPY, 0.8, 0.3),
    ((12,), HAPPY, 0.5, 0.1),
    ((1, 2), SURPRISE, 0.1, 0.7),
    ((9,), DISGUST, -0.7, 0.4),
    ((10,), DISGUST, -0.5, 0.3),
    ((15,), SAD, -0.6, -0.4),
    ((4,), ANGER, -0.5, 0.5),
    ((), NEUTRAL, 0.0, 0.0),
)
_INVALID = -2
_NOWHERE = "https://faces.invalid/emotionet"


def write_emotionet(tree: Tree, cast: Cast, shape: Shape, *, names: bool = False) -> None:
    """Write a fake EmotioNet: a list of URLs with AUs, and the pictures fetched; one URL has none.

    names: a first line with the columns' names. Only a few AUs are known, the rest are 999, or −1 in the second row.
    """
    rows: list[str] = []

    def add(face: Face | None, name: str) -> None:
        shown = EMOTIONET_AUS if face is not None else ()
        unknown = -1 if len(rows) == 1 else 999
        labels = [face.occurrence[au] if face and au in shown else unknown for au in EMOTIONET_COLUMNS]
        url = f"{_NOWHERE}/{len(rows) // 1000:03d}/{name}"
        rows.append("\t".join(map(str, (url, f"{_NOWHERE}/original/{len(rows)}.jpg", *labels))))

    for person, _ in tree.people(_names(shape)):
        for photo, face in _photos(cast, shape, person):
            name = f"N_{person * shape.photos + photo + 1:07d}.jpg"
            tree.photo(f"images/{name}", face.image)
            add(face, name)
        if person == 0:
            spare = cast.still(person, shape.photos)
            tree.spoilt_photo("images/N_9000001.jpg", spare.image)
            tree.photo("images/N_9000002.jpg", spare.shrunk().image)
            add(spare, "N_9000001.jpg")
            add(spare, "N_9000002.jpg")
            add(None, "N_9000003.jpg")
    header = ["\t".join(("URL", "URL orig", *(f"AU {au}" for au in EMOTIONET_COLUMNS)))] if names else []
    tree.lines("dataFile_0001.txt", header + rows)


def write_affectnet(tree: Tree, cast: Cast, shape: Shape, *, release: str = "full") -> None:
    """Write a fake AffectNet; release: `full` (CSV lists, pictures by folder) or `small` (.npy files).

    A quarter of a person's photos are for validation. The full release lists a picture without a face, expression 10.
    """
    if release not in ("full", "small"):
        raise InputError(f"AffectNet has no release {release!r}", remedy="Choose full or small")
    (_affectnet_full if release == "full" else _affectnet_small)(tree, cast, shape)


def _affectnet_full(tree: Tree, cast: Cast, shape: Shape) -> None:
    images = "Manual_Annot/Manually_Annotated_Images"
    rows: dict[str, list[str]] = {"training": [], "validation": []}
    for person, _ in tree.people(_names(shape)):
        for photo, face in _photos(cast, shape, person):
            name = _hashed(person, photo)
            tree.photo(f"{images}/{name}", face.image)
            rows["validation" if photo % 4 == 3 else "training"].append(_affectnet_row(name, face, *_mood(face)))
        if person == 0:
            spare = cast.still(person, shape.photos)
            spoilt, tiny, faceless = (_hashed(person, shape.photos + extra) for extra in range(3))
            tree.spoilt_photo(f"{images}/{spoilt}", spare.image)
            tree.photo(f"{images}/{tiny}", spare.shrunk().image)
            tree.photo(f"{images}/{faceless}", cast.empty(0))
            rows["training"].append(_affectnet_row(spoilt, spare, *_mood(spare)))
            rows["training"].append(_affectnet_row(tiny, spare.shrunk(), *_mood(spare)))
            rows["training"].append(_affectnet_row(faceless, spare, NO_FACE, _INVALID, _INVALID))
    for split, lines in rows.items():
        tree.lines(f"Manual_Annot/{split}.csv", [AFFECTNET_HEADER, *lines])


def _affectnet_row(name: str, face: Face, expression: int, valence: float, arousal: float) -> str:
    left, top, right, bottom = face.box()
    points = ";".join(f"{value:.2f}" for value in face.landmarks.ravel())
    return f"{name},{left},{top},{right - left},{bottom - top},{points},{expression},{valence},{arousal}"


def _affectnet_small(tree: Tree, cast: Cast, shape: Shape) -> None:
    def annotate(split: str, number: int, face: Face) -> None:
        expression, valence, arousal = _mood(face)
        for kind, value in (("exp", expression), ("val", valence), ("aro", arousal)):
            tree.write(f"{split}/annotations/{number}_{kind}.npy", _npy(np.array(str(value))))
        tree.write(f"{split}/annotations/{number}_lnd.npy", _npy(face.landmarks.astype(np.float64).ravel()))

    for person, _ in tree.people(_names(shape)):
        for photo, face in _photos(cast, shape, person):
            split, number = "val_set" if photo % 4 == 3 else "train_set", person * shape.photos + photo
            tree.photo(f"{split}/images/{number}.jpg", face.image)
            annotate(split, number, face)
        if person == 0:
            spare, number = cast.still(person, shape.photos), shape.subjects * shape.photos
            tree.spoilt_photo(f"train_set/images/{number}.jpg", spare.image)
            tree.photo(f"train_set/images/{number + 1}.jpg", spare.shrunk().image)
            annotate("train_set", number, spare)
            annotate("train_set", number + 1, spare.shrunk())


def write_casia_webface(tree: Tree, cast: Cast, shape: Shape) -> None:
    """Write a fake CASIA-WebFace: a folder an identity."""
    for person, identity in tree.people(f"{45 + 9 * number:07d}" for number in range(shape.subjects)):
        for photo, face in _photos(cast, shape, person):
            tree.photo(f"{identity}/{photo + 1:03d}.jpg", face.image)
        if person == 0:
            spare = cast.still(person, shape.photos)
            tree.spoilt_photo(f"{identity}/{shape.photos + 1:03d}.jpg", spare.image)
            tree.photo(f"{identity}/{shape.photos + 2:03d}.jpg", spare.shrunk().image)


def write_imdb_wiki(tree: Tree, cast: Cast, shape: Shape) -> None:
    """Write a fake IMDB-WIKI: all photos of a person but the first in imdb_crop, the first in wiki_crop.

    Both also hold a picture without a face (score −∞); imdb_crop one with two faces, a spoilt and a tiny one.
    """
    imdb, wiki = _Crops(tree, "imdb"), _Crops(tree, "wiki")
    for person, name in tree.people(f"Synthetic Person {number + 1}" for number in range(shape.subjects)):
        born, number = date(1950 + 7 * (person % 7), 1 + person % 12, 1 + person % 28), person + 1
        for photo, face in _photos(cast, shape, person):
            taken = 2001 + photo
            if photo == 0:
                place = f"{number % 100:02d}/{number}_{born}_{taken}.jpg"
                tree.photo(f"wiki_crop/{place}", face.image)
                wiki.add(place, face, name, born, taken)
            else:
                place = f"{number % 100:02d}/nm{number:07d}_rm{1000 + photo}_{born}_{taken}.jpg"
                tree.photo(f"imdb_crop/{place}", face.image)
                imdb.add(place, face, name, born, taken)
        if person == 0:
            _odd_crops(tree, cast, shape, imdb, wiki, name, born)
    imdb.write()
    wiki.write()


def _odd_crops(tree: Tree, cast: Cast, shape: Shape, imdb: "_Crops", wiki: "_Crops", name: str, born: date) -> None:
    spare, other = cast.still(0, shape.photos), cast.still(1, shape.photos)
    places = [f"01/nm0000001_rm{9000 + extra}_{born}_2001.jpg" for extra in range(4)]
    tree.spoilt_photo(f"imdb_crop/{places[0]}", spare.image)
    tree.photo(f"imdb_crop/{places[1]}", spare.shrunk().image)
    tree.photo(f"imdb_crop/{places[2]}", np.concatenate([spare.image, other.image], axis=1))
    tree.photo(f"imdb_crop/{places[3]}", cast.empty(0))
    imdb.add(places[0], spare, name, born, 2001, 3.5)
    imdb.add(places[1], spare.shrunk(), name, born, 2001, 1.5)
    imdb.add(places[2], spare, name, born, 2001, 4.5, 2.5)
    imdb.add(places[3], spare, name, born, 2001, -np.inf)
    place = f"00/9000_{born}_2001.jpg"
    tree.photo(f"wiki_crop/{place}", cast.empty(1))
    wiki.add(place, spare, name, born, 2001, -np.inf)


class _Crops:
    """The table of one half of IMDB-WIKI."""

    def __init__(self, tree: Tree, kind: str) -> None:
        self._tree, self._kind = tree, kind
        self._rows: list[tuple[str, float, int, int, str, NDArray[np.float64], float, float]] = []

    def add(
        self, place: str, face: Face, name: str, born: date, taken: int, score: float = 4.0, second: float = np.nan
    ) -> None:
        """Add a picture: its path, who it shows, when they were born and it was taken, scores of its faces."""
        whole = score == -np.inf
        height, width = face.image.shape[:2]
        box = np.array((0, 0, width - 1, height - 1) if whole else face.box(), np.float64) + 1
        day = born.toordinal() + 366  # MATLAB counts days from year 0
        self._rows.append((place, day, taken, int(not face.female), name, box[None], score, second))

    def write(self) -> None:
        """Write the .mat file."""
        columns = zip(*self._rows, strict=True) if self._rows else [()] * 8
        place, day, taken, male, name, box, score, second = (list(column) for column in columns)
        table = {
            "dob": np.array([day], np.float64),
            "photo_taken": np.array([taken], np.uint16),
            "full_path": cells(place),
            "gender": np.array([male], np.float64),
            "name": cells(name),
            "face_location": cells(box),
            "face_score": np.array([score], np.float64),
            "second_face_score": np.array([second], np.float64),
        }
        if self._kind == "imdb":
            celebrities = sorted(set(name))
            table["celeb_names"] = cells(celebrities)
            table["celeb_id"] = np.array([[celebrities.index(one) + 1 for one in name]], np.float64)
        self._tree.write(f"{self._kind}_crop/{self._kind}.mat", v5({self._kind: table}))


def write_celeba(tree: Tree, cast: Cast, shape: Shape) -> None:
    """Write a fake CelebA: numbered pictures, and lists of identities, partitions and five points.

    Of three or more people the last is for testing and the last but one for validation.
    """
    identities: dict[str, tuple[int, int, Face]] = {}
    for person, _ in tree.people(_names(shape)):
        left = shape.subjects - 1 - person
        split = {0: 2, 1: 1}.get(left, 0) if shape.subjects > 2 else 0
        for photo, face in _photos(cast, shape, person):
            name = f"{photo * shape.subjects + person + 1:06d}.jpg"  # a person's pictures are not side by side
            tree.photo(f"img_align_celeba/{name}", face.image)
            identities[name] = (person + 1, split, face)
        if person == 0:
            spare = cast.still(person, shape.photos)
            last = shape.subjects * shape.photos
            spoilt, tiny = f"{last + 1:06d}.jpg", f"{last + 2:06d}.jpg"
            tree.spoilt_photo(f"img_align_celeba/{spoilt}", spare.image)
            tree.photo(f"img_align_celeba/{tiny}", spare.shrunk().image)
            identities |= {spoilt: (1, 0, spare), tiny: (1, 0, spare.shrunk())}
    rows = sorted(identities.items())
    tree.lines("identity_CelebA.txt", (f"{name} {identity}" for name, (identity, _, _) in rows))
    tree.lines("list_eval_partition.txt", (f"{name} {split}" for name, (_, split, _) in rows))
    points = (f"{name} " + " ".join(f"{value:4d}" for value in _five(face)) for name, (_, _, face) in rows)
    tree.lines("list_landmarks_align_celeba.txt", [str(len(rows)), CELEBA_POINTS, *points])


def _names(shape: Shape) -> Iterator[str]:
    return (str(number) for number in range(shape.subjects))


def _photos(cast: Cast, shape: Shape, person: int) -> Iterator[tuple[int, Face]]:
    return ((photo, cast.still(person, photo)) for photo in range(shape.photos))


def _hashed(person: int, photo: int) -> str:
    name = hashlib.sha256(f"{person}/{photo}".encode()).hexdigest()[:56]
    return f"{689 + person}/{name}.jpg"


def _mood(face: Face) -> tuple[int, float, float]:
    """Return AffectNet's expression number, valence and arousal, by rule of thumb from the AUs."""
    fits = (mood for needed, *mood in _MOODS if all(face.occurrence[au] for au in needed))
    expression, valence, arousal = next(fits)
    return int(expression), float(valence), float(arousal)


def _npy(values: NDArray[np.generic]) -> bytes:
    made = io.BytesIO()
    np.save(made, values, allow_pickle=False)
    return made.getvalue()


def _five(face: Face) -> list[int]:
    points = face.landmarks
    five = (points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[30], points[48], points[54])
    return [round(float(value)) for value in np.concatenate(five)]

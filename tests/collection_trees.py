"""Folders as each face collection is delivered, small."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sparsefacs.facs import points_to_68

POINTS_5 = ((200, 108), (242, 108), (222, 130), (204, 148), (240, 148))  # eyes, nose, mouth corners of the portrait
AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)


def put(path: Path, content: bytes | str = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def points_68(shift: float = 0) -> np.ndarray:
    """68 landmarks of the portrait in `face`."""
    return points_to_68(np.array(POINTS_5, np.float32) - (90, 0)) + np.float32(shift)


def emotionet(root: Path, face: bytes) -> None:
    columns = "\t".join(f"AU {au}" for au in range(1, 61))

    def row(url: str, **known: int) -> str:
        return "\t".join([url, "id", *(str(known.get(f"AU{au}", 999)) for au in range(1, 61))])

    rows = [
        row("http://a.org/x/one.jpg", AU1=1, AU2=0, AU12=-1, AU60=1),
        row("http://a.org/x/two%20b.jpg?size=3"),
        row("http://a.org/x/gone.jpg", AU1=1),
        row("http://a.org/y/same.jpg", AU1=1),
        row("http://b.org/z/same.jpg", AU1=0),
        row("http://b.org/"),
    ]
    put(root / "list.tsv", f"URL\toriginal URL\t{columns}\n" + "\n".join(rows) + "\n")
    for name in ("p/one.jpg", "p/two b.jpg", "q/same.jpg", "q/stranger.jpg", "q/deep/one.jpg"):
        put(root / name, face)


def affectnet_full(root: Path, face: bytes) -> None:
    points = ";".join(f"{value:.2f}" for value in points_68().ravel())
    folder = root / "Manual_Annot"
    rows = [
        f"1/a.jpg,0,0,9,9,{points},1,-2,0.5",
        f"2/b.JPG,0,0,9,9,{points},10,-2,-2",
        f"2/gone.jpg,0,0,9,9,{points},0,0,0",
    ]
    put(folder / "training.csv", "\r\n".join([AFFECTNET_HEADER, *rows]) + "\r\n")
    put(
        folder / "validation.csv",
        "\n".join([AFFECTNET_HEADER, "1/c.jpg,0,0,9,9,1;2;3,1,0,0", f"3/d.png,0,0,9,9,{points},2,0,0"]),
    )
    for name in ("1/a.jpg", "2/b.JPG", "1/c.jpg", "3/d.png"):
        put(folder / "Manually_Annotated_Images" / name, face)


def affectnet_small(root: Path, face: bytes) -> None:
    for half, numbers in (("train_set", (2, 10, 11)), ("val_set", (2,))):
        for number in numbers:
            put(root / half / "images" / f"{number}.jpg", face)
            content = io.BytesIO()
            np.save(content, points_68().astype(np.float64).ravel())
            put(root / half / "annotations" / f"{number}_exp.npy")
            if number != 11:
                put(root / half / "annotations" / f"{number}_lnd.npy", content.getvalue())


def casia(root: Path, face: bytes) -> None:
    for name in ("0000045/001.jpg", "0000045/015.jpg", "0000099/001.jpg", "0000099/.hidden.jpg", "notes/a.jpg"):
        put(root / name, face)
    (root / "0000100").mkdir()


def imdb_wiki(root: Path, face: bytes) -> None:
    from scipy.io import savemat

    def cells(*values: object) -> np.ndarray:
        made = np.empty(len(values), object)
        made[:] = values
        return made

    paths = ("01/nm1_a.jpg", "01/nm1_b.jpg", "02/nm2_c.jpg", "02/nm2_gone.jpg")
    table = {
        "full_path": cells(*paths),
        "face_score": np.array([1.5, -np.inf, 2.5, 1.0]),
        "second_face_score": np.array([np.nan, np.nan, 1.2, np.nan]),
        "celeb_names": cells("Ann", "Bo"),
        "celeb_id": np.array([1.0, 1, 2, 2]),
    }
    for name in paths[:3]:
        put(root / "imdb_crop" / name, face)
    savemat(root / "imdb_crop" / "imdb.mat", {"imdb": table})
    put(root / "wiki_crop" / "00" / "7.jpg", face)
    wiki = {"full_path": cells("00/7.jpg"), "face_score": np.array([3.0]), "second_face_score": np.array([np.nan])}
    savemat(root / "wiki_crop" / "wiki.mat", {"wiki": wiki})


def celeba(root: Path, face: bytes) -> None:
    names = [f"{number:06d}.jpg" for number in range(1, 7)]
    for name in [*names[:5], "000009.jpg"]:
        put(root / "Img" / "img_align_celeba" / name, face)
    people, splits = (20, 3, 20, 3, 20, 3), (0, 0, 1, 0, 0, 2)
    put(root / "Anno" / "identity_CelebA.txt", "".join(f"{n} {who}\n" for n, who in zip(names, people, strict=True)))
    partition = "".join(f"{n} {split}\n" for n, split in zip(names[:4] + names[5:], splits, strict=False))
    put(root / "Eval" / "list_eval_partition.txt", partition)
    columns = (
        "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    )
    numbers = " ".join(f"{x - 90:3d}  {y:3d}" for x, y in POINTS_5)
    rows = "".join(f"{name} {numbers}\n" for name in names)
    put(root / "Anno" / "list_landmarks_align_celeba.txt", f"{len(names)}\n{columns}\n{rows}")


TREES: dict[str, tuple[str, Callable[[Path, bytes], None]]] = {
    "emotionet": ("emotionet", emotionet),
    "affectnet-full": ("affectnet", affectnet_full),
    "affectnet-small": ("affectnet", affectnet_small),
    "casia": ("casia-webface", casia),
    "imdb-wiki": ("imdb-wiki", imdb_wiki),
    "celeba": ("celeba", celeba),
}

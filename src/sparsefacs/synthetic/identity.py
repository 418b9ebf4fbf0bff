"""Who a subject is: shape, colours, hair and how their face moves, all drawn from (seed, subject number)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .appearance import USUAL, Appearance, unusual_colours, unusual_hair
from .colours import Colours
from .geometry import Head
from .mesh import face_mesh
from .raster import vertex_normals

SHAPE_SD = 0.30  # of each local shape's weight; larger makes caricatures
SIDES_SD = 0.08  # of the difference between left and right
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
OUTLINES = ("head-oval", "head-round", "head-square", "head-rectangular", "head-invertedtriangular", "head-diamond")
LEFT_OUT = ("head-trans", "head-angle", "head-age", "neck-", "nose-trans", "ear-shape", "ear-wing", "ear-flap",
            "measure", "mouth-trans", "eye-push", "mouth-angles", "eyebrows-", "head-scale-depth")  # fmt: skip
QUIET = {"head-": 0.6, "eye-": 0.7, "mouth-": 0.7, "ear-": 0.5, "forehead": 0.7, "nose-": 0.9}
# The base mesh looks stern; a face at rest does not: brows a little higher, mouth corners a little up.
AT_REST = {"mouth-angles-up": 0.30, "eyebrows-trans-up": 0.35}

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """One synthetic person.

    vertices: (V, 3) dm, the face at rest, hair included; amplitude: AU → strength; lean: AU → left minus right.
    """

    number: int
    seed: int
    female: float
    age: float
    ancestry: F32
    vertices: F32
    colours: Colours
    hair: str
    amplitude: dict[int, float] = field(default_factory=dict)
    lean: dict[int, float] = field(default_factory=dict)

    def rng(self, purpose: int) -> np.random.Generator:
        """Return a generator of this subject's own random numbers for one purpose."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, self.number, purpose]))


def make_subject(seed: int, number: int, drawn: Appearance = USUAL) -> Subject:
    """Return subject `number` of the endless cast that `seed` names; skin and hair as in appearance `drawn`."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, number, 1]))
    head = face_mesh().head
    female = float(np.clip(rng.choice([0.08, 0.92]) + rng.normal(0, 0.08), 0, 1))
    age = float(np.clip(rng.beta(1.3, 2.2), 0, 0.85))  # 0 about 22 years, 1 about 80
    ancestry = rng.dirichlet([0.45, 0.45, 0.45]).astype(np.float32)  # African, Asian, European
    weights = _macro_weights(rng, head, female, age, ancestry) | _local_weights(rng, head, drawn.shapes) | AT_REST
    vertices = head.shapes.apply(head.vertices, weights)
    _seat_teeth(head, vertices)
    vertices += face_mesh().strands
    hair = _hair_style(rng, female, age)
    unusual = np.random.default_rng(np.random.SeedSequence([seed, number, 30]))
    under, vertices = vertices, _with_hair(vertices, hair, rng)
    strange = drawn.unusual_people > 0 and np.random.default_rng([seed, number, 31]).random() < drawn.unusual_people
    if strange:  # the usual draws are made all the same: face and movements stay this subject's
        hair = unusual_hair(unusual)
        vertices = _with_hair(under, hair, unusual)
    eyes = np.concatenate(face_mesh().eyes)
    vertices -= vertices[eyes].mean(axis=0) - np.array([0, 7.28, 1.25], np.float32)
    aus = range(1, 60)
    colours = _colours(rng, female, age, ancestry)
    if strange:
        colours = unusual_colours(colours, female, unusual)
    return Subject(
        number=number,
        seed=seed,
        female=female,
        age=age,
        ancestry=ancestry,
        vertices=np.ascontiguousarray(vertices, np.float32),
        colours=colours,
        hair=hair,
        amplitude={au: float(np.exp(rng.normal(0, 0.15))) for au in aus},
        lean={au: float(np.clip(rng.normal(0, 0.12), -0.35, 0.35)) for au in aus},
    )


def _seat_teeth(head: Head, vertices: F32) -> None:
    """Place the teeth so that an open mouth shows both rows, raised lips gum, and nothing shows through skin."""
    upper, lower = head.group_vertices("helper-upper-teeth"), head.group_vertices("helper-lower-teeth")
    height = vertices[upper, 1]
    vertices[upper, 1] += 0.13 * (height - height.min()) / np.ptp(height) - 0.065
    vertices[upper, 2] -= 0.01
    vertices[lower] -= np.array([0, 0.02, 0.05], np.float32)


def _macro_weights(rng: np.random.Generator, head: Head, female: float, age: float, ancestry: F32) -> dict[str, float]:
    weight = float(np.clip(rng.normal(0, 0.45), -0.8, 0.9))
    weights: dict[str, float] = {}
    for sex, by_sex in (("female", female), ("male", 1 - female)):
        for years, by_age in (("young", 1 - age), ("old", age)):
            for people, by_ancestry in zip(("african", "asian", "caucasian"), ancestry, strict=True):
                weights[f"{people}-{sex}-{years}"] = by_sex * by_age * float(by_ancestry)
            build = "maxweight" if weight > 0 else "minweight"
            weights[f"universal-{sex}-{years}-averagemuscle-{build}"] = by_sex * by_age * abs(weight)
            weights[f"universal-{sex}-{years}-averagemuscle-averageweight"] = by_sex * by_age * (1 - abs(weight))
    return {name: value for name, value in weights.items() if name in head.shapes.number}


def _local_weights(rng: np.random.Generator, head: Head, wider: float) -> dict[str, float]:
    """Draw weights of the local face shapes, `wider` times the usual; both sides alike but for a little."""
    weights: dict[str, float] = {}
    drawn: dict[str, float] = {}
    names = [name for name in head.shapes.names if not name.startswith(("african", "asian-", "caucasian", "universal"))]
    for name in names:
        if any(part in name for part in LEFT_OUT):
            continue
        if name.startswith("asym"):
            weights[name] = max(0.0, float(rng.normal(0, 0.12)))
            continue
        for low, high in OPPOSITES:
            if not name.endswith(f"-{high}"):
                continue
            stem = name.removesuffix(high)
            key = stem.removeprefix("l-").removeprefix("r-") if stem[:2] in ("l-", "r-") else stem
            sd = wider * SHAPE_SD * next((value for part, value in QUIET.items() if part in name), 1.0)
            if key not in drawn:
                drawn[key] = float(np.clip(rng.normal(0, sd), -2.2 * sd, 2.2 * sd))
            value = drawn[key] + (float(rng.normal(0, SIDES_SD * sd / SHAPE_SD)) if key != stem else 0.0)
            weights[name if value > 0 else stem + low] = abs(value)
    weights[str(rng.choice(OUTLINES))] = float(rng.uniform(0, 0.5))
    return {name: value for name, value in weights.items() if name in head.shapes.number}


def _hair_style(rng: np.random.Generator, female: float, age: float) -> str:
    draw = rng.random()
    if female > 0.5:
        return "long" if draw < 0.55 else "short"
    if draw < 0.08 + 0.15 * age:
        return "bald"
    return "buzz" if draw < 0.35 else "short" if draw < 0.94 else "long"


def _with_hair(vertices: F32, hair: str, rng: np.random.Generator) -> F32:
    """Raise the scalp along its normals into a cap of hair."""
    mesh = face_mesh()
    thick = {"bald": 0.0, "buzz": 0.02, "short": 0.10 + 0.14 * rng.random(), "long": 0.10 + 0.06 * rng.random()}[hair]
    if not thick:
        return vertices
    normals = vertex_normals(np.ascontiguousarray(vertices), np.ascontiguousarray(mesh.triangles[: mesh.solid]))
    up = np.clip((mesh.head.vertices[:, 1] - 7.3) / 0.9, 0.25, 1)
    phase = rng.uniform(0, 6.28, 4)
    x, z = mesh.head.vertices[:, 0], mesh.head.vertices[:, 2]
    tufts = 1 + 0.18 * np.sin(9 * x + phase[0] + 2 * z) + 0.12 * np.sin(17 * x + 5 * z + phase[1])
    height = thick * mesh.scalp * up * tufts
    return np.asarray(vertices + normals * height[:, None], np.float32)


def _colours(rng: np.random.Generator, female: float, age: float, ancestry: F32) -> Colours:
    african, asian, european = (float(part) for part in ancestry)
    melanin = float(np.clip(0.88 * african + 0.36 * asian + 0.16 * european + rng.normal(0, 0.10), 0, 1))
    knots = np.log([[0.72, 0.43, 0.32], [0.52, 0.27, 0.16], [0.22, 0.105, 0.058], [0.075, 0.037, 0.022]])
    place = melanin * 3
    k = min(int(place), 2)
    skin = np.exp(knots[k] * (k + 1 - place) + knots[k + 1] * (place - k))
    skin *= np.exp(rng.normal(0, 0.04, 3))
    red = np.array([0.86, 0.50, 0.52]) if melanin < 0.6 else np.array([0.95, 0.66, 0.72])
    make_up = float(female > 0.5) * float(rng.beta(0.8, 1.6))
    lips = skin * red * (1 - 0.35 * make_up) + 0.35 * make_up * np.array([0.42, 0.05, 0.06])
    fair = european > 0.6 and rng.random() < 0.6
    brown = np.array([0.045, 0.022, 0.012]) * np.exp(rng.normal(0, 0.35))
    hair = np.array([0.20, 0.115, 0.045]) * np.exp(rng.normal(0, 0.45)) if fair else brown * (0.4 + european)
    grey = float(np.clip((age - 0.45) * 2.2 + rng.normal(0, 0.2), 0, 0.9))
    hair = hair * (1 - grey) + grey * np.array([0.33, 0.32, 0.31])
    light_eyes = european > 0.55 and rng.random() < 0.65
    irises = (
        [[0.075, 0.125, 0.165], [0.085, 0.115, 0.075], [0.14, 0.105, 0.045]] if light_eyes else [[0.060, 0.028, 0.012]]
    )
    iris = np.array(irises[int(rng.integers(len(irises)))]) * np.exp(rng.normal(0, 0.25))
    return Colours(
        skin=skin.astype(np.float32),
        lips=lips.astype(np.float32),
        hair=hair.astype(np.float32),
        iris=iris.astype(np.float32),
        freckles=float(rng.beta(0.6, 2.5)) * (1 - melanin),
        redness=float(rng.beta(2, 3)),
        stubble=float(rng.beta(0.9, 1.5)) * float(female < 0.5),
        make_up=make_up,
        wrinkles=0.25 * max(0.0, age - 0.25),
        brow_width=float(np.exp(rng.normal(0, 0.2))) * (1.15 - 0.35 * female),
        brow_arch=float(rng.normal(0.9, 0.5)) + 0.5 * female,
        gloss=float(rng.uniform(0.6, 1.3)),
    )

"""How synthetic people and pictures are drawn: as usual; shifted, for a test of what a recogniser has not seen; wild.

Shifted faces have other light, wider poses, skin and hair that the usual draw never gives, and a poorer camera whose
picture is compressed before the face is cut from it. Expressions and labels are drawn alike in both. Wild faces are
what a coder of real faces learns from: both of these and more, glasses and hands, one-sided movements, speech, closed
eyes.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .colours import Colours

Pair = tuple[float, float]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """The ranges of one appearance: pairs are low and high of a uniform draw unless they say otherwise.

    rest, drift, limit: yaw, pitch, roll in degrees: sd between clips, sd within a clip, largest; side: of the key
    light's azimuth, sd and largest, degrees; elevation: degrees; key: linear strength; fill: share of the key; sky:
    linear strength; ground: share of the sky; tint: how much stronger lights are coloured than usual; exposure: mean
    and sd of its logarithm; eyes: pixels between them in the camera's picture; blur: px; noise: sd in grey levels;
    jpeg: quality; contrast: of the camera's tone curve, 1 for none; colour: how much stronger colours become; behind:
    brightness of what is behind, low and high of its logarithm (None: 0.5 to 1.5, uniform); whole_frame: the camera's
    whole picture is blurred, noisy and compressed before the face is cut from it, where usually half of the stored
    faces are; unusual_people: share of people that `unusual_colours` are for; shapes: how much more people's faces
    differ in shape than usual. obstacles: whether things are worn and held before the face (`obstacles`); one_sided:
    share of a clip's AUs that act more on one side; talks: share of clips with speech; shuts: whether eyes stay closed
    at times (AU43).
    """

    name: str
    rest: Triple = (9.0, 4.5, 3.0)
    drift: Triple = (4.0, 2.5, 2.0)
    limit: Triple = (25.0, 15.0, 15.0)
    side: Pair = (38.0, 70.0)
    elevation: Pair = (5.0, 50.0)
    key: Pair = (0.9, 1.9)
    fill: Pair = (0.12, 0.55)
    sky: Pair = (0.35, 0.75)
    ground: Pair = (0.35, 0.8)
    tint: float = 1.0
    exposure: Pair = (0.0, 0.14)
    eyes: Pair = (75.0, 130.0)
    blur: Pair = (0.25, 0.8)
    noise: Pair = (0.5, 4.0)
    jpeg: tuple[int, int] = (45, 92)
    contrast: Pair = (1.0, 1.0)
    colour: Pair = (1.0, 1.0)
    behind: Pair | None = None
    whole_frame: bool = False
    unusual_people: float = 0.0
    shapes: float = 1.0
    obstacles: bool = False
    one_sided: float = 0.0
    talks: float = 0.0
    shuts: bool = False


USUAL = Appearance("usual")
SHIFTED = Appearance(
    "shifted",
    rest=(16.0, 9.0, 6.0),
    drift=(6.0, 4.0, 3.0),
    limit=(35.0, 22.0, 25.0),
    side=(65.0, 105.0),
    elevation=(-25.0, 75.0),
    key=(1.2, 3.2),
    fill=(0.03, 0.3),
    sky=(0.15, 0.5),
    ground=(0.2, 1.0),
    tint=2.2,
    exposure=(-0.25, 0.3),
    eyes=(24.0, 48.0),
    blur=(0.3, 0.9),
    noise=(3.0, 8.0),
    jpeg=(28, 65),
    whole_frame=True,
    unusual_people=1.0,
)
WILD = Appearance(
    "wild",
    rest=(18.0, 9.0, 7.0),
    drift=(7.0, 4.0, 3.0),
    limit=(45.0, 25.0, 25.0),
    side=(60.0, 105.0),
    elevation=(-20.0, 70.0),
    key=(0.5, 3.0),
    fill=(0.05, 0.8),
    sky=(0.15, 0.9),
    ground=(0.2, 1.0),
    tint=2.0,
    exposure=(0.2, 0.4),  # real pictures are brighter and harder than a plain render: benchmarks/realism.py
    eyes=(18.0, 130.0),
    blur=(0.2, 1.0),
    noise=(0.5, 8.0),
    jpeg=(20, 95),
    contrast=(0.9, 2.2),
    colour=(0.3, 1.7),
    behind=(-3.5, 1.0),
    whole_frame=True,
    unusual_people=0.4,
    shapes=1.3,
    obstacles=True,
    one_sided=0.25,
    talks=0.35,
    shuts=True,
)
APPEARANCES = {appearance.name: appearance for appearance in (USUAL, SHIFTED, WILD)}


def load_appearance(name: str) -> Appearance:
    """Return appearance `usual`, `shifted` or `wild`; raises InputError for any other name."""
    if name not in APPEARANCES:
        *first, last = APPEARANCES
        raise InputError(f"{name!r} is not an appearance of faces", remedy=f"Choose {', '.join(first)} or {last}")
    return APPEARANCES[name]


# Linear RGB. Undertones multiply the skin: ruddy, olive, sallow, ashen. Dyes: red, blue, green, violet, copper, white.
UNDERTONES = ((1.10, 0.80, 0.76), (0.92, 1.04, 0.76), (1.08, 1.00, 0.62), (0.88, 0.98, 1.18))
DYES = (
    (0.30, 0.020, 0.030), (0.030, 0.060, 0.260), (0.035, 0.150, 0.060), (0.150, 0.030, 0.220), (0.320, 0.090, 0.020),
    (0.550, 0.520, 0.480),
)  # fmt: skip
LIPSTICKS = ((0.42, 0.02, 0.04), (0.16, 0.02, 0.09), (0.48, 0.13, 0.05), (0.05, 0.02, 0.03))
HAIR_STYLES = ("bald", "buzz", "short", "long")


def unusual_hair(rng: np.random.Generator) -> str:
    """Return a hair style, whatever the person's sex and age."""
    return str(rng.choice(HAIR_STYLES, p=[0.25, 0.25, 0.2, 0.3]))


def unusual_colours(colours: Colours, female: float, rng: np.random.Generator) -> Colours:
    """Return `colours` beyond what is usually drawn: undertone, darker or paler, dyed hair, beard, make-up, shine.

    Skin and lips change together; most women and a third of the men have dyed hair; every man has a beard or stubble.
    """
    undertone = np.array(UNDERTONES[int(rng.integers(len(UNDERTONES)))])
    lightness = rng.uniform(0.55, 0.8) if rng.random() < 0.5 else rng.uniform(1.10, 1.35)
    change = undertone * lightness
    skin = np.clip(colours.skin * change, 0.012, 0.88)
    painted = 0.85 * float(rng.random() < 0.35)
    lips = np.clip(colours.lips * change, 0.01, 0.8) * (1 - painted)
    lips = lips + painted * np.array(LIPSTICKS[int(rng.integers(len(LIPSTICKS)))])
    dye = np.array(DYES[int(rng.integers(len(DYES)))]) * np.exp(rng.normal(0, 0.2))
    hair = dye if rng.random() < (0.8 if female > 0.5 else 0.35) else colours.hair * np.exp(rng.normal(0, 0.5))
    return replace(
        colours,
        skin=skin.astype(np.float32),
        lips=lips.astype(np.float32),
        hair=np.asarray(hair, np.float32),
        freckles=float(rng.uniform(0, 1.2)),
        redness=float(rng.uniform(0.7, 1.5)),
        stubble=float(rng.uniform(0.5, 1.5)) * float(female < 0.5),
        make_up=max(colours.make_up, painted),
        brow_width=colours.brow_width * float(rng.choice([0.6, 1.5])),
        gloss=float(rng.uniform(1.4, 2.6)),
    )

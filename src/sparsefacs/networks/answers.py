"""From aligned faces to codes: the one way any trained network is asked."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..evidence.activity import Settle
    from .config import NetworkConfig


def answers(
    network: "nn.Module",
    faces_BHWC: NDArray[np.uint8],
    landmarks_BPC: NDArray[np.float32],
    sees: "NetworkConfig",
    task: Literal["occurrence", "intensity"],
    evidence_BE: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return probabilities 0–1 (occurrence) or intensities 0–5, (B, A), for aligned RGB faces (B, S, S, 3).

    landmarks_BPC: (B, 68, 2), pixels of the faces. network: faces (B, 3, input_size, input_size) in 0–1 and landmarks
    in their pixels → logits (B, A), in evaluation mode, on any device; it is run in float32. sees: its configuration.
    evidence_BE: (B, 2W + 1), as of `evidence.linear.evidence_of`, where the network looks at it.
    """
    import torch

    device = device_of(network)
    with torch.inference_mode():
        image, landmarks = network_input(faces_BHWC, landmarks_BPC, sees, device)
        answer = torch.sigmoid(network(image, landmarks, placed(evidence_BE, device)))
        return np.asarray((answer * 5 if task == "intensity" else answer).float().cpu().numpy())


def frame_features(
    network: "nn.Module",
    faces_BHWC: NDArray[np.uint8],
    landmarks_BPC: NDArray[np.float32],
    sees: "NetworkConfig",
    vectors_BW: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return what a network makes of each aligned face by itself, (B, E); arguments as of `answers`.

    vectors_BW: the faces' own evidence (`evidence.vectors`), where the network looks at it.
    """
    import torch

    device = device_of(network)
    clips: Any = network
    with torch.inference_mode():
        image, landmarks = network_input(faces_BHWC, landmarks_BPC, sees, device)
        return np.asarray(clips.frame_features(image, landmarks, placed(vectors_BW, device)).float().cpu().numpy())


def window_answers(
    network: "nn.Module",
    features_BLE: NDArray[np.float32],
    task: Literal["occurrence", "intensity"],
    references_BR: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the codes (B, A) of the key frames of windows (B, L, E) of `frame_features`, as `answers` does, and behind
    them the `further` intensities 0–5 that the network tells.

    references_BR: (B, W + 1), of the key frames' people (`evidence.reference`); None: nobody has one.
    """
    import torch

    clips: Any = network
    device = device_of(network)
    with torch.inference_mode():
        features = torch.from_numpy(features_BLE).to(device)
        logits = clips.from_windows(features, placed(references_BR, device))
        return np.asarray(as_codes(logits, task, clips.further).float().cpu().numpy())


def settle_of(network: "nn.Module", task: Literal["occurrence", "intensity"]) -> "Settle | None":
    """Return what moves the references of people by how active they are, None where `network` moves none."""
    known: Any = network
    if not hasattr(network, "activity") or not known.evidence.person:
        return None
    settle: Settle | None = known.activity.told().settling(
        lambda faces, references: window_answers(network, faces[:, None], task, references)
    )
    return settle


def as_codes(logits: "Tensor", task: Literal["occurrence", "intensity"], further: int) -> "Tensor":
    """Return the codes of logits (B, A + further): of `task`, and intensities 0–5 of the further ones."""
    import torch

    answer = torch.sigmoid(logits)
    if task == "intensity":
        return answer * 5
    if not further:
        return answer
    return torch.cat([answer[:, :-further], answer[:, -further:] * 5], dim=1)


def device_of(network: "nn.Module") -> "torch.device":
    """Return where a network lies; one without pixels has buffers alone."""
    from itertools import chain

    return next(chain(network.parameters(), network.buffers())).device


def placed(values: NDArray[np.float32] | None, device: "torch.device") -> "Tensor | None":
    """Return an array as a tensor on `device`; None stays None."""
    import torch

    return None if values is None else torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)


def network_input(
    faces_BHWC: NDArray[np.uint8], landmarks_BPC: NDArray[np.float32], sees: "NetworkConfig", device: "torch.device"
) -> "tuple[Tensor, Tensor]":
    """Return what a network sees of stored faces: (B, 3, input_size, input_size) in 0–1 and landmarks (B, 68, 2) in its
    pixels, on `device`. Of a cropped face it is the middle.
    """
    import torch

    image = torch.from_numpy(faces_BHWC).to(device).permute(0, 3, 1, 2).float() / 255
    landmarks = torch.from_numpy(np.ascontiguousarray(landmarks_BPC, np.float32)).to(device)
    side = image.shape[-1]
    kept = round(side * sees.crop)
    first = (side - kept) // 2
    return resized(image[..., first : first + kept, first : first + kept], landmarks - first, sees.input_size)


def resized(image: "Tensor", landmarks: "Tensor", side: int) -> "tuple[Tensor, Tensor]":
    """Return images (B, 3, S, S) at `side` pixels, and landmarks (B, 68, 2) in their pixels."""
    import torch

    given = image.shape[-1]
    if given == side:
        return image, landmarks
    smaller = torch.nn.functional.interpolate(image, (side, side), mode="bilinear", antialias=True)
    return smaller, (landmarks + 0.5) * (side / given) - 0.5  # pixel centres have whole coordinates

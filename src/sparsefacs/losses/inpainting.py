"""RoI inpainting: restore an AU's two hidden RoIs, judged by a discriminator D and an AU classifier C (WSRTL, III-C).

Patches come one a row, (K, ...): both sides of every face, each a sample of its own. In eq. 7, L_D is
`patch_critic_loss`; L_G = λ1 · `patch_adversarial_loss` + (1 − λ1) · `reconstruction_loss` + λ2 · `semantic_loss`.
"""

from torch import Tensor

from .adversarial import confusion_loss, discriminator_loss
from .reduction import cross_entropy, difference, global_mean


def patch_critic_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return −L_adv = −E[log D(p)] − E[log(1 − D(G(x)))], which D minimises (WSRTL, eqs 2 and 7).

    real_logits, fake_logits: (K, ...) of original and of restored patches. Stop G's gradient before D, not here.
    """
    return discriminator_loss(real_logits, fake_logits)


def patch_adversarial_loss(fake_logits: Tensor) -> Tensor:
    """Return −E[log D(G(x))], which G minimises in place of E[log(1 − D(G(x)))] (WSRTL, eq. 3).

    fake_logits: (K, ...) of restored patches.
    """
    return confusion_loss(fake_logits)


def reconstruction_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean of |p − G(x)| over patches, channels and pixels (WSRTL, eq. 4).

    real, fake: (K, 3, s, s), RGB 0–1. Reading: the paper writes the l1-norm, a sum of 3s² terms; as a mean it is of the
    size of the other two terms of L_G, without which λ1 = 0.1 would balance nothing. Raises ValueError for shapes that
    differ.
    """
    return global_mean(difference(real, fake).abs())


def semantic_loss(logits_K: Tensor, label_K: Tensor) -> Tensor:
    """Return E[CE(C(·), ŷ)], on original patches to train C (WSRTL, eq. 5), on restored ones to train G (eq. 6).

    logits_K: (K,), C's logit of the AU that was hidden; label_K: (K,), that AU's label or soft pseudo label 0–1, −1
    where it has none, and such patches are left out. Raises ValueError for shapes that differ.
    """
    return cross_entropy(logits_K, label_K)

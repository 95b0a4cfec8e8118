# SPDX-License-Identifier: GPL-3.0-or-later
"""What the face does when a coefficient is 1, in a sentence for its slider's tooltip."""

from __future__ import annotations

from collections.abc import Callable

from . import arkit

# Of the left side; the right side's are the same with "right" for "left".
_ONE_SIDE = {
    "eyeBlink": "Closes the subject's left eye",
    "eyeLookDown": "Turns the subject's left eye down, and its lid with it",
    "eyeLookIn": "Turns the subject's left eye towards the nose; the other's Look Out makes both look that way",
    "eyeLookOut": "Turns the subject's left eye away from the nose, towards the left ear",
    "eyeLookUp": "Turns the subject's left eye up, and its lid with it",
    "eyeSquint": "Narrows the subject's left eye to a slit, as against bright light",
    "eyeWide": "Opens the subject's left eye wide, until white shows above the iris",
    "mouthSmile": "Pulls the mouth's corner on the subject's left up and outwards, as in a smile",
    "mouthFrown": "Pulls the mouth's corner on the subject's left down, as in sadness",
    "mouthDimple": "Draws the mouth's corner on the subject's left back into the cheek, which makes a dimple",
    "mouthStretch": "Stretches the mouth's corner on the subject's left sideways, as in fear",
    "mouthPress": "Presses the lips onto each other on the subject's left",
    "mouthLowerDown": "Pulls the lower lip down on the subject's left, which bares the lower teeth",
    "mouthUpperUp": "Lifts the upper lip on the subject's left, which bares the upper teeth",
    "browDown": "Pulls the subject's left brow down, as in anger",
    "browOuterUp": "Lifts the outer end of the subject's left brow",
    "cheekSquint": "Lifts the subject's left cheek towards the eye, as a hearty smile does",
    "noseSneer": "Wrinkles the nose and lifts its wing on the subject's left, as in disgust",
}
_BOTH_SIDES = {
    "jawForward": "Pushes the lower jaw forward, which is little",
    "jawLeft": "Shifts the lower jaw to the subject's own left, the picture's right",
    "jawRight": "Shifts the lower jaw to the subject's own right, the picture's left",
    "jawOpen": "Lowers the jaw until the mouth is wide open",
    "mouthClose": "Closes the lips over an open jaw: use it together with the jaw's Open",
    "mouthFunnel": "Rounds the lips to a ring and pushes them forward, as for “oh”",
    "mouthPucker": "Purses the lips, as for a kiss",
    "mouthLeft": "Shifts both lips to the subject's own left, the picture's right",
    "mouthRight": "Shifts both lips to the subject's own right, the picture's left",
    "mouthRollLower": "Rolls the lower lip in over the teeth, so that it gets thin",
    "mouthRollUpper": "Rolls the upper lip in over the teeth, so that it gets thin",
    "mouthShrugLower": "Pushes the lower lip up and forward, as in doubt",
    "mouthShrugUpper": "Pushes the upper lip up and forward; with Shrug Lower it is a pout",
    "browInnerUp": "Lifts the inner ends of both brows, as in worry",
    "cheekPuff": "Blows both cheeks up",
}


def of_each(
    one_side: dict[str, str], both_sides: dict[str, str], other_side: Callable[[str], str]
) -> dict[str, str]:
    """ARKit name -> tooltip, in the order of the sliders. `other_side` makes a left side's sentence a right side's."""
    sentences = dict(both_sides)
    for name, text in one_side.items():
        sentences[f"{name}Left"] = text
        sentences[f"{name}Right"] = other_side(text)
    return {name: f"{sentences[name]}. ARKit: {name}" for name in arkit.ARKIT_NAMES}


HELP: dict[str, str] = of_each(_ONE_SIDE, _BOTH_SIDES, lambda text: text.replace("left", "right"))

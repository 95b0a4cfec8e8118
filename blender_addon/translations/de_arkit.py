# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what each slider of a face does (`core.arkit_help`)."""

from __future__ import annotations

from ..core import arkit_help

# Of the left side; the right side's are the same with "recht" for "link".
_ONE_SIDE = {
    "eyeBlink": "Schließt das linke Auge der Person",
    "eyeLookDown": "Dreht das linke Auge der Person nach unten, und das Lid mit ihm",
    "eyeLookIn": "Dreht das linke Auge der Person zur Nase; „Blick außen“ des anderen lässt beide dorthin blicken",
    "eyeLookOut": "Dreht das linke Auge der Person von der Nase weg, zum linken Ohr hin",
    "eyeLookUp": "Dreht das linke Auge der Person nach oben, und das Lid mit ihm",
    "eyeSquint": "Kneift das linke Auge der Person zu einem Spalt, wie gegen helles Licht",
    "eyeWide": "Reißt das linke Auge der Person auf, bis über der Iris Weiß zu sehen ist",
    "mouthSmile": "Zieht den linken Mundwinkel der Person nach oben und außen, wie beim Lächeln",
    "mouthFrown": "Zieht den linken Mundwinkel der Person nach unten, wie bei Trauer",
    "mouthDimple": "Zieht den linken Mundwinkel der Person in die Wange zurück; es entsteht ein Grübchen",
    "mouthStretch": "Zieht den linken Mundwinkel der Person zur Seite, wie bei Angst",
    "mouthPress": "Presst die Lippen auf der linken Seite der Person aufeinander",
    "mouthLowerDown": "Zieht die Unterlippe auf der linken Seite der Person herunter und zeigt die unteren Zähne",
    "mouthUpperUp": "Hebt die Oberlippe auf der linken Seite der Person und zeigt die oberen Zähne",
    "browDown": "Zieht die linke Braue der Person herunter, wie bei Wut",
    "browOuterUp": "Hebt das äußere Ende der linken Braue der Person",
    "cheekSquint": "Hebt die linke Wange der Person zum Auge, wie bei herzlichem Lächeln",
    "noseSneer": "Rümpft die Nase und hebt den Nasenflügel auf der linken Seite der Person, wie bei Ekel",
}
_BOTH_SIDES = {
    "jawForward": "Schiebt den Unterkiefer vor, um ein Weniges",
    "jawLeft": "Schiebt den Unterkiefer zur eigenen Linken der Person, im Bild nach rechts",
    "jawRight": "Schiebt den Unterkiefer zur eigenen Rechten der Person, im Bild nach links",
    "jawOpen": "Senkt den Kiefer, bis der Mund weit offen ist",
    "mouthClose": "Schließt die Lippen über offenem Kiefer: zusammen mit „Offen“ des Kiefers zu nehmen",
    "mouthFunnel": "Rundet die Lippen zu einem Ring und schiebt sie vor, wie bei „oh“",
    "mouthPucker": "Spitzt die Lippen, wie zum Kuss",
    "mouthLeft": "Schiebt beide Lippen zur eigenen Linken der Person, im Bild nach rechts",
    "mouthRight": "Schiebt beide Lippen zur eigenen Rechten der Person, im Bild nach links",
    "mouthRollLower": "Rollt die Unterlippe über die Zähne nach innen, sodass sie schmal wird",
    "mouthRollUpper": "Rollt die Oberlippe über die Zähne nach innen, sodass sie schmal wird",
    "mouthShrugLower": "Schiebt die Unterlippe hoch und vor, wie bei Zweifel",
    "mouthShrugUpper": "Schiebt die Oberlippe hoch und vor; mit „Unterlippe schieben“ ein Schmollmund",
    "browInnerUp": "Hebt die inneren Enden beider Brauen, wie bei Sorge",
    "cheekPuff": "Bläst beide Wangen auf",
}
_TEXTS = arkit_help.of_each(_ONE_SIDE, _BOTH_SIDES, lambda text: text.replace("link", "recht"))

ARKIT: dict[str, str] = {arkit_help.HELP[name]: text for name, text in _TEXTS.items()}

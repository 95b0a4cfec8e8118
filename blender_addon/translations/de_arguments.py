# SPDX-License-Identifier: GPL-3.0-or-later
"""German: tooltips of choices and of the operators' arguments."""

from __future__ import annotations

ARGUMENTS: dict[str, str] = {
    "Where the portrait photo comes from": "Woher das Porträtfoto kommt",
    "The result that the buttons below the list are about": (
        "Das Ergebnis, für das die Knöpfe unter der Liste gelten"
    ),
    "What kind of file is written": "Welche Art Datei geschrieben wird",
    "What the relief stands on, which is what makes it printable": (
        "Worauf das Relief steht; erst dadurch lässt es sich drucken"
    ),
    "How a 3MF file carries the picture": "Wie eine 3MF-Datei das Bild mitführt",
    "What the relief's surface is coloured with": "Womit die Oberfläche des Reliefs gefärbt ist",
    "What renders the preview and the still": "Womit Vorschau und Bild gerendert werden",
    "What renders the preview": "Womit die Vorschau gerendert wird",
    "What renders the still": "Womit das Bild gerendert wird",
    "How the relief's surface is divided into faces": "Wie die Oberfläche des Reliefs in Flächen geteilt ist",
    "How the photo's pixels become points in space": "Wie die Pixel des Fotos zu Punkten im Raum werden",
    "What the relief has behind its surface": "Was das Relief hinter seiner Oberfläche hat",
    "What gives the relief its depth": "Was dem Relief seine Tiefe gibt",
    "Whether Blender starts the process that holds the model, or finds it running": (
        "Ob Blender den Prozess startet, der das Modell hält, oder ob er schon läuft"
    ),
    "The picture of the surroundings, .hdr or .exr": "Das Bild der Umgebung, .hdr oder .exr",
    "Where the lights stand and how soft they are": "Wo die Lichter stehen und wie weich sie sind",
    "The recording that the app wrote, a .csv": "Die Aufnahme der App, eine .csv",
    "The scene's frame that the first keyframe is written to": (
        "Das Bild der Szene, in das der erste Keyframe geschrieben wird"
    ),
    "Weaker or stronger than the recording": "Schwächer oder stärker als die Aufnahme",
    "Which of the library's expressions": "Welcher Ausdruck der Bibliothek",
    "Which sliders are set to 0": "Welche Regler auf 0 gestellt werden",
    "What the expression is called in the library": "Wie der Ausdruck in der Bibliothek heißt",
    "What it shall be called from now on": "Wie er von nun an heißen soll",
    "The folder that the result was saved to": "Der Ordner, in den das Ergebnis gespeichert wurde",
    "The file that is written": "Die Datei, die geschrieben wird",
}

# SPDX-License-Identifier: GPL-3.0-or-later
"""German: expressions taken from photos, movies and pictures."""

from __future__ import annotations

DRIVING: dict[str, str] = {
    "Expression from Photo…": "Ausdruck aus Foto …",
    "Set the sliders to the expression of a face in a photo": (
        "Die Regler auf den Ausdruck eines Gesichts in einem Foto stellen"
    ),
    "Drive from Movie or Images…": "Aus Film oder Bildern steuern …",
    "Write the expressions of a face in a movie or in pictures as keyframes of the sliders": (
        "Die Ausdrücke eines Gesichts in einem Film oder in Bildern als Keyframes der Regler schreiben"
    ),
    "Motion": "Bewegung",
    "How the driver's movements become the portrait's": (
        "Wie die Bewegungen des steuernden Gesichts zu denen des Porträts werden"
    ),
    "The photo or movie of the driver": "Das Foto oder der Film des steuernden Gesichts",
    "Relative": "Relativ",
    "The portrait's face moves as far as the driver's does from its neutral one": (
        "Das Gesicht des Porträts bewegt sich so weit wie das steuernde von seinem neutralen aus"
    ),
    "Absolute": "Absolut",
    "The portrait takes the driver's very expression": (
        "Das Porträt nimmt genau den Ausdruck des steuernden Gesichts an"
    ),
    "Added to": "Ausgehend von",
    "What relative motion starts from": "Wovon die relative Bewegung ausgeht",
    "Photo's Expression": "Ausdruck des Fotos",
    "The expression that is measured in the portrait photo": "Der Ausdruck, der im Porträtfoto gemessen wird",
    "Import Finished Frames": "Fertige Bilder importieren",
    "Import the frames of the sequence that are finished so far as a relief that plays; "
    "while others are being made, or after that was cancelled": (
        "Die bisher fertigen Bilder der Sequenz als abspielbares Relief importieren; "
        "während andere noch entstehen oder nachdem das abgebrochen wurde"
    ),
    "Measure Portrait": "Porträt messen",
    "Measure the portrait's own expression, which the driving mesh's is then added to": (
        "Den eigenen Ausdruck des Porträts messen, zu dem der des steuernden Meshs dann hinzukommt"
    ),
    "What the driving mesh's shape keys do to the portrait's face": (
        "Was die Formschlüssel des steuernden Meshs mit dem Gesicht des Porträts machen"
    ),
    "The portrait takes the very expression that the mesh shows": (
        "Das Porträt nimmt genau den Ausdruck an, den das Mesh zeigt"
    ),
    "Relative to the Portrait": "Relativ zum Porträt",
    "What the mesh shows is added to the expression that was measured in the portrait photo": (
        "Was das Mesh zeigt, kommt zu dem Ausdruck hinzu, der im Porträtfoto gemessen wurde"
    ),
    "This portrait's own expression has not been measured yet.": (
        "Der eigene Ausdruck dieses Porträts ist noch nicht gemessen."
    ),
    "Press Measure Portrait below the driving mesh, or set its motion to Absolute.": (
        "Unter dem steuernden Mesh „Porträt messen“ drücken oder seine Bewegung auf „Absolut“ stellen."
    ),
    "Sliders": "Regler",
    "The sliders as they are now": "Die Regler, wie sie jetzt stehen",
    "A neutral face that looks straight ahead": "Ein neutrales Gesicht, das geradeaus blickt",
    "Neutral Frame": "Neutrales Bild",
    "The driver's frame, counted from 1, in which its face is neutral; 0 estimates it from all frames": (
        "Das Bild des Films, von 1 an gezählt, in dem das Gesicht neutral ist; 0 schätzt es aus allen Bildern"
    ),
    "Less jitter; fast movements get weaker": "Weniger Zittern; schnelle Bewegungen werden schwächer",
    "Regions": "Bereiche",
    "What follows the driver; the other sliders stay as they are": (
        "Was dem steuernden Gesicht folgt; die anderen Regler bleiben, wie sie sind"
    ),
    "Gaze": "Blick",
    "Head": "Kopf",
    "Weaker or stronger than the driver": "Schwächer oder stärker als das steuernde Gesicht",
    "Whole Sequence": "Ganze Sequenz",
    "Take all pictures of the numbered sequence that the chosen one belongs to": (
        "Alle Bilder der nummerierten Sequenz nehmen, zu der das gewählte gehört"
    ),
    "Face Landmarker": "Gesichtsmodell",
    "Another face_landmarker.task than the one that Face Following installs; empty for that one": (
        "Ein anderes face_landmarker.task als das, das „Gesichtsverfolgung“ installiert; leer für dieses"
    ),
    "The driver cannot be read.": "Die steuernde Datei kann nicht gelesen werden.",
    "Choose a photo, a movie, or several pictures.": "Ein Foto, einen Film oder mehrere Bilder wählen.",
    "The movie or the pictures are larger than 256 MiB.": "Der Film oder die Bilder sind größer als 256 MiB.",
    "Cut them or scale them down; for long ones see the command line in the documentation.": (
        "Kürzen oder verkleinern; für lange siehe die Befehlszeile in der Dokumentation."
    ),
}

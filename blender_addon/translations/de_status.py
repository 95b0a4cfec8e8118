# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what goes on, with places for names and numbers."""

from __future__ import annotations

STATUS: dict[str, str] = {
    "Preparing what is sent": "Bereitet vor, was gesendet wird",
    "Waiting for the backend": "Wartet auf das Backend",
    "Sending the picture": "Schickt das Bild",
    "Queued": "In der Warteschlange",
    "Working": "Arbeitet",
    "Fetching the result": "Holt das Ergebnis",
    "Cancelling": "Bricht ab",
    "Done": "Fertig",
    "Failed": "Gescheitert",
    "Cancelled": "Abgebrochen",
    "Waiting for the render or stroke": "Wartet auf Rendern oder Pinselstrich",
    "Backend is not running": "Das Backend läuft nicht",
    "Backend is starting": "Das Backend startet",
    "Backend is stopping": "Das Backend endet",
    "Backend failed": "Das Backend ist gescheitert",
    "Backend {version} is ready": "Backend {version} ist bereit",
    " on {device}": " auf {device}",
    " in {precision}": " in {precision}",
    ", {size:.1f} GB in memory": ", {size:.1f} GB im Speicher",
    "The backend is not installed yet": "Das Backend ist noch nicht installiert",
    "The backend's installation is not complete": "Die Installation des Backends ist unvollständig",
    "Backend {old} is installed; {new} came with this add-on": (
        "Backend {old} ist installiert; mit dieser Erweiterung kam {new}"
    ),
    "Backend {version} is installed": "Backend {version} ist installiert",
    "{count} of {all} sliders follow it": "{count} von {all} Reglern folgen ihm",
    "Rename “{name}”": "„{name}“ umbenennen",
    "Delete “{name}”": "„{name}“ löschen",
    "Use “{name}”": "„{name}“ nehmen",
    "{python} and {source} in the environment go before these.": (
        "{python} und {source} in den Umgebungsvariablen gehen diesen vor."
    ),
    "“{name}” is kept in the .blend; the disk beside Show Still saves it": (
        "„{name}“ liegt in der .blend; die Diskette neben „Bild zeigen“ speichert es"
    ),
    "Relight Preview shows these lights; this shading does not.": (
        "Die Neubeleuchtungs-Vorschau zeigt diese Lichter; diese Schattierung nicht."
    ),
    "Not rebuilt yet: it may have been sculpted, or Auto Update is off.": (
        "Noch nicht neu gebaut: es wurde modelliert, oder die automatische Aktualisierung ist aus."
    ),
    "Set the sliders to {name}": "Die Regler auf {name} stellen",
    "Checking": "Prüft",
    "Exporting": "Exportiert",
    "{count} faces": "{count} Gesichter",
    "Removing the photo's light": "Entfernt das Licht des Fotos",
    "Rebuilding the relief": "Baut das Relief neu",
    "Starting": "Beginnt",
    "Loading": "Lädt",
    "Reading the photo": "Liest das Foto",
    "Finding the head": "Sucht den Kopf",
    "Reading the identity": "Liest das Aussehen",
    "Reading the depth": "Liest die Tiefe",
    "Framing the head": "Rahmt den Kopf ein",
    "Generating": "Erzeugt",
    "Estimating the depth": "Schätzt die Tiefe",
    "Repainting": "Malt neu",
    "Full size": "Rechnet auf volle Größe",
    "Turning the head": "Dreht den Kopf",
    "Following the face": "Folgt dem Gesicht",
}

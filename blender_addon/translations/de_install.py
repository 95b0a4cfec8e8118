# SPDX-License-Identifier: GPL-3.0-or-later
"""German: the backend's installation in the preferences and its dialogs."""

from __future__ import annotations

INSTALL: dict[str, str] = {
    "Downloading face following": "Die Gesichtsverfolgung wird heruntergeladen",
    "Downloading the face model": "Das Gesichtsmodell wird heruntergeladen",
    "Testing face following": "Die Gesichtsverfolgung wird getestet",
    "{count} packages: downloads {download}, takes {disk} on disk": (
        "{count} Pakete: lädt {download} herunter, belegt {disk} auf der Platte"
    ),
    "{count} packages, sizes not recorded for this choice: plan for {needed} of disk space": (
        "{count} Pakete, Größen für diese Wahl nicht verzeichnet: mit {needed} Plattenplatz rechnen"
    ),
    "{download}, {disk} on disk": "{download}, {disk} auf der Platte",
    "Together {size}: {names}": "Zusammen {size}: {names}",
    "Sizes as of {date}": "Größen vom {date}",
    "No NVIDIA driver is seen here. With Device set to Processor: {download}, {disk} on disk": (
        "Hier ist kein NVIDIA-Treiber zu sehen. Mit „Gerät: Prozessor“: {download}, {disk} auf der Platte"
    ),
    "Packages": "Pakete",
    "Every package that is downloaded, with its version and size": (
        "Jedes Paket, das heruntergeladen wird, mit Version und Größe"
    ),
    "Downloads the packages that backend {version} runs on from {source}. The model itself came with the add-on.": (
        "Lädt die Pakete, auf denen Backend {version} läuft, von {source}. Das Modell selbst kam mit der Erweiterung."
    ),
    "the Python Package Index (pypi.org), or wherever this machine's pip is set to": (
        "dem Python Package Index (pypi.org), oder wohin pip auf diesem Rechner eingestellt ist"
    ),
    "{source}, and {index}": "{source}, und {index}",
    "{free} must be free while it installs, in:": "Während der Installation müssen {free} frei sein, in:",
    "What is there already and still fits is not downloaded again.": (
        "Was schon da ist und noch passt, wird nicht noch einmal heruntergeladen."
    ),
    "Nothing is installed into Blender or its Python. Blender stays usable meanwhile.": (
        "In Blender und sein Python wird nichts installiert. Blender bleibt währenddessen benutzbar."
    ),
    "Deletes this folder. Your pictures and reliefs stay; new ones need the backend again.": (
        "Löscht diesen Ordner. Bilder und Reliefs bleiben; neue brauchen das Backend wieder."
    ),
    "Install MediaPipe and its face model too, for expressions from photos and movies": (
        "Auch MediaPipe und sein Gesichtsmodell installieren, für Ausdrücke aus Fotos und Filmen"
    ),
    "Install Face Following": "Gesichtsverfolgung installieren",
    "{name} and its model, {size}": "{name} und sein Modell, {size}",
    "{name} and its model: installed": "{name} und sein Modell: installiert",
    "Face following is included.": "Gesichtsverfolgung ist dabei.",
    "Only face following is installed now, {size}.": "Nur die Gesichtsverfolgung wird jetzt installiert, {size}.",
    "An environment of its own: nothing is installed into Blender": (
        "Eine eigene Umgebung: in Blender wird nichts installiert"
    ),
    "The backend of an earlier installation fits and is used:": (
        "Das Backend einer früheren Installation passt und wird benutzt:"
    ),
    "Check Installation": "Installation prüfen",
    "Have the backend examine its packages, device, memory and model; takes up to a minute": (
        "Das Backend seine Pakete, Gerät, Speicher und Modell prüfen lassen; dauert bis zu einer Minute"
    ),
    "End Check": "Prüfung beenden",
    "End the check, or take away what it found": "Die Prüfung beenden, oder wegnehmen, was sie fand",
    "Checking the installation...": "Prüft die Installation ...",
    "Everything is in order": "Alles ist in Ordnung",
    "Something is not in order": "Etwas ist nicht in Ordnung",
    "Memory": "Speicher",
    "Model": "Modell",
    "Face Following": "Gesichtsverfolgung",
    "Temporary Files": "Temporäre Dateien",
    "Connection": "Verbindung",
    "pip's own": "pips eigener",
}

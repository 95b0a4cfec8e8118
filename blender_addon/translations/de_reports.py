# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what operators, checks and dialogs report, with places for names and numbers."""

from __future__ import annotations

REPORTS: dict[str, str] = {
    "no answer after {seconds} s": "keine Antwort nach {seconds} s",
    "The relief itself has no faults.": ("Das Relief selbst hat keine Fehler."),
    "The relief has {faults}. Smooth or delete these places in sculpt or edit mode.": (
        "Das Relief hat {faults}. Glätte oder lösche diese Stellen im Sculpt- oder Bearbeitungsmodus."
    ),
    "{count} vertices that are not finite": ("{count} Eckpunkte, die nicht endlich sind"),
    "{count} edges with more than two faces": ("{count} Kanten mit mehr als zwei Flächen"),
    "{count} faces without area": ("{count} Flächen ohne Inhalt"),
    "{count} edges far longer than the others (spikes)": (
        "{count} Kanten, die weit länger sind als die anderen (Zacken)"
    ),
    "{count} UV coordinates outside the picture": ("{count} UV-Koordinaten außerhalb des Bildes"),
    "Watertight.": ("Wasserdicht."),
    "Not watertight: {count} open edges. It cannot be printed; give it a base.": (
        "Nicht wasserdicht: {count} offene Kanten. So lässt es sich nicht drucken; gib ihm einen Sockel."
    ),
    "Manifold.": ("Mannigfaltig."),
    "Not manifold: {count} edges with more than two faces or faces that look both ways. Choose a base; a solid is built anew.": (
        "Nicht mannigfaltig: {count} Kanten mit mehr als zwei Flächen oder Flächen, die in beide Richtungen zeigen. Wähle einen Sockel; ein massives Stück wird neu gebaut."
    ),
    "No degenerate faces.": ("Keine entarteten Flächen."),
    "{count} faces without area or vertices that are not finite. Merge by distance in edit mode, or choose a base.": (
        "{count} Flächen ohne Inhalt oder Eckpunkte, die nicht endlich sind. Verschmelze im Bearbeitungsmodus nach Abstand, oder wähle einen Sockel."
    ),
    "The relief does not overlap itself.": ("Das Relief überdeckt sich nicht selbst."),
    "{share:.1%} of the relief overlap themselves. Mills cannot reach there.": (
        "{share:.1%} des Reliefs überdecken sich. Fräsen kommen dort nicht hin."
    ),
    "{share:.1%} of the relief overlap themselves. A solid has only what is seen from the front; smooth these places in sculpt mode to keep them.": (
        "{share:.1%} des Reliefs überdecken sich. Ein massives Stück hat nur, was man von vorn sieht; glätte diese Stellen im Sculpt-Modus, um sie zu behalten."
    ),
    "A surface has no thickness; give it a base to print it.": (
        "Eine Oberfläche hat keine Dicke; gib ihr zum Drucken einen Sockel."
    ),
    "Too thin: {found:.2f} mm where {needed:.2f} mm are needed. Raise the base's or the wall's thickness.": (
        "Zu dünn: {found:.2f} mm, nötig sind {needed:.2f} mm. Mache den Sockel oder die Wand dicker."
    ),
    "{area:.1f} mm² at the outline are narrower than {needed:.2f} mm. Choose a plate, or a larger size.": (
        "{area:.1f} mm² am Umriss sind schmaler als {needed:.2f} mm. Wähle eine Platte oder eine größere Größe."
    ),
    "At least {found:.2f} mm thick.": ("Mindestens {found:.2f} mm dick."),
    "No overhang beyond {limit:.0f}°.": ("Kein Überhang über {limit:.0f}°."),
    "{share:.0%} of the surface hang over by more than {limit:.0f}°. Print it with support.": (
        "{share:.0%} der Oberfläche hängen um mehr als {limit:.0f}° über. Drucke es mit Stützen."
    ),
    "{share:.0%} of the surface hang over by more than {limit:.0f}°. That is the hollow's ceiling: print with support, standing, or solid.": (
        "{share:.0%} der Oberfläche hängen um mehr als {limit:.0f}° über. Das ist die Decke des Hohlraums: drucke mit Stützen, stehend oder massiv."
    ),
    "{count:,} triangles.": ("{count:,} Dreiecke."),
    "{count:,} triangles are more than most slicers take ({most:,}). Lower the target.": (
        "{count:,} Dreiecke sind mehr, als die meisten Slicer nehmen ({most:,}). Senke die Vorgabe."
    ),
    "{size}; fits the bed.": ("{size}; passt auf das Druckbett."),
    "{size} do not fit the bed of {bed}. Make it smaller.": (
        "{size} passen nicht auf das Druckbett von {bed}. Mache es kleiner."
    ),
    "The relief has no picture; the file gets plain base colour.": (
        "Das Relief hat kein Bild; die Datei bekommt die bloße Sockelfarbe."
    ),
    "Picture of {width} x {height} px.": ("Bild von {width} x {height} px."),
    "{size}, {count:,} triangles": ("{size}, {count:,} Dreiecke"),
    "{size}, {pixels} pixels of {side:.3f} mm": ("{size}, {pixels} Pixel von {side:.3f} mm"),
    "No faults: {summary}": ("Keine Fehler: {summary}"),
    "No faults left: {summary}": ("Keine Fehler mehr: {summary}"),
    "Left: {faults}": ("Übrig: {faults}"),
    "There is not enough memory. Ask for fewer triangles.": (
        "Der Speicher reicht nicht. Verlange weniger Dreiecke."
    ),
    "No file name is given.": ("Es ist kein Dateiname angegeben."),
    "This Blender was built without USD. Choose GLB.": ("Dieses Blender wurde ohne USD gebaut. GLB wählen."),
    "{name} was not written: {reason}": ("{name} wurde nicht geschrieben: {reason}"),
    "There is no folder {folder}.": ("Den Ordner {folder} gibt es nicht."),
    "Blender wrote no file. Its console may tell why.": (
        "Blender schrieb keine Datei. Seine Konsole sagt vielleicht, warum."
    ),
    "{name} is there already and would be overwritten. Choose another name.": (
        "{name} ist schon da und würde überschrieben. Wähle einen anderen Namen."
    ),
    "A border of {border:g} mm leaves no room for the relief in {size:g} mm. Make the piece larger or its border smaller.": (
        "Ein Rand von {border:g} mm lässt dem Relief in {size:g} mm keinen Platz. Mache das Stück größer oder den Rand kleiner."
    ),
    "A solid needs a base thickness above 0 mm.": ("Ein massives Stück braucht eine Sockeldicke über 0 mm."),
    "So many faces need too much memory. Ask for fewer.": (
        "So viele Flächen brauchen zu viel Speicher. Verlange weniger."
    ),
    "The piece is too small for its grid.": ("Das Stück ist zu klein für sein Gitter."),
    "The relief has no faces, or vertices that are not finite.": (
        "Das Relief hat keine Flächen, oder Eckpunkte, die nicht endlich sind."
    ),
    "The relief is only a line when seen from the front.": (
        "Von vorn gesehen ist das Relief nur eine Linie."
    ),
    "The relief is too small for so few faces.": ("Das Relief ist zu klein für so wenige Flächen."),
    "The picture": ("Das Bild"),
    "The HDRI": ("Das HDRI"),
    "{name} cannot be read: {reason}.": ("{name} kann nicht gelesen werden: {reason}."),
    "{name} cannot be read as a picture.": ("{name} kann nicht als Bild gelesen werden."),
    "{name} cannot be opened: {reason}": ("{name} kann nicht geöffnet werden: {reason}"),
    "{name} cannot be imported: {reason}": ("{name} kann nicht importiert werden: {reason}"),
    "“{name}” is not a single picture.": ("„{name}“ ist kein einzelnes Bild."),
    "“{name}” has no pixels, perhaps its file is missing.": (
        "„{name}“ hat keine Pixel, vielleicht fehlt seine Datei."
    ),
    "“{name}” is hidden from renders.": ("„{name}“ ist beim Rendern verborgen."),
    "A render result cannot be read directly.": ("Ein Renderergebnis kann nicht unmittelbar gelesen werden."),
    "Save it and open the file.": ("Speichere es und öffne die Datei."),
    "Choose a still picture.": ("Wähle ein stehendes Bild."),
    "Choose another picture.": ("Wähle ein anderes Bild."),
    "Choose an .hdr or .exr file.": ("Wähle eine .hdr- oder .exr-Datei."),
    "Choose another relief.": ("Wähle ein anderes Relief."),
    "The relief's depth picture is not in this file.": (
        "Das Tiefenbild des Reliefs ist nicht in dieser Datei."
    ),
    "The relief's depth picture has another size now.": (
        "Das Tiefenbild des Reliefs hat jetzt eine andere Größe."
    ),
    "The relief's picture is not in this file.": ("Das Bild des Reliefs ist nicht in dieser Datei."),
    "Import the result again.": ("Importiere das Ergebnis noch einmal."),
    "Undo its scaling.": ("Nimm seine Skalierung zurück."),
    "Trim less of its edge.": ("Beschneide seinen Rand weniger."),
    "There is no head in the result.": ("Im Ergebnis ist kein Kopf."),
    "There is no connected head in the result.": ("Im Ergebnis ist kein zusammenhängender Kopf."),
    "Too little of the head lies in the picture.": ("Zu wenig vom Kopf liegt im Bild."),
    "The relief is flat.": ("Das Relief ist flach."),
    "Set its depth scale above 0.": ("Stelle seine Tiefenskalierung über 0."),
    "This works on a single picture, not on a sequence.": (
        "Das geht mit einem einzelnen Bild, nicht mit einer Sequenz."
    ),
    "Import one frame as a relief.": ("Importiere ein einzelnes Bild als Relief."),
    "The photo's camera would stand inside the relief.": "Die Kamera des Fotos stünde im Relief.",
    "Choose a longer focal length or Orthographic in the panel Relief, and a depth scale above 0.": (
        "Wähle im Feld Relief eine längere Brennweite oder Orthografisch, und eine Tiefenskalierung über 0."
    ),
    "The relief's scale is skewed or zero.": ("Die Skalierung des Reliefs ist schief oder null."),
    "Clear its scale (Alt+S), then try again.": (
        "Setze seine Skalierung zurück (Alt+S), dann versuche es noch einmal."
    ),
    "The relief is mirrored.": ("Das Relief ist gespiegelt."),
    "Clear its negative scale (Alt+S), then try again.": (
        "Setze seine negative Skalierung zurück (Alt+S), dann versuche es noch einmal."
    ),
    "Click the camera beside it in the Outliner, then try again.": (
        "Klicke im Outliner auf die Kamera daneben, dann versuche es noch einmal."
    ),
    "Cycles is switched off.": ("Cycles ist ausgeschaltet."),
    "Switch on Preferences > Add-ons > Cycles Render Engine.": (
        "Schalte Einstellungen > Add-ons > Cycles Render Engine ein."
    ),
    "Nothing was rendered.": ("Es wurde nichts gerendert."),
    "Look for Blender's own message, then try again.": (
        "Sieh nach Blenders eigener Meldung, dann versuche es noch einmal."
    ),
    "The relief was deleted meanwhile.": ("Das Relief wurde inzwischen gelöscht."),
    "The still was cancelled": ("Das Bild wurde abgebrochen"),
    "There is no 3D View to show it in": ("Es gibt keine 3D-Ansicht, um es zu zeigen"),
    "Make a relief the active object": ("Mache ein Relief zum aktiven Objekt"),
    "Portrait Relief is still at work": ("Porträtrelief ist noch bei der Arbeit"),
    "Drag a square round the whole head. Escape: as before": (
        "Ziehe ein Quadrat um den ganzen Kopf. Escape: wie vorher"
    ),
    "Import Portrait Sequence": "Porträtsequenz importieren",
    "Drive Expression": "Ausdruck steuern",
    "Import Portrait Relief": "Porträtrelief importieren",
    "From {name}": ("Aus {name}"),
    "The relief of this result was deleted, or its collection is switched off": (
        "Das Relief dieses Ergebnisses wurde gelöscht, oder seine Sammlung ist ausgeschaltet"
    ),
    "Leave the present mode first": ("Verlasse zuerst den jetzigen Modus"),
    "The picture of this result was deleted": ("Das Bild dieses Ergebnisses wurde gelöscht"),
    "This result was made without an expression": ("Dieses Ergebnis wurde ohne Ausdruck gemacht"),
    "The chosen picture does not tell how it was made": (
        "Das gewählte Bild sagt nicht, wie es gemacht wurde"
    ),
    "There are not two reliefs left to compare": ("Es sind keine zwei Reliefs zum Vergleichen mehr da"),
    "report.json names no mm_per_px": ("report.json nennt kein mm_per_px"),
    "picture, depth and coverage are of different sizes": ("Bild, Tiefe und Deckung sind verschieden groß"),
    "there is neither depth.npy nor depth.exr": ("es gibt weder depth.npy noch depth.exr"),
    "depth.exr cannot be read": ("depth.exr kann nicht gelesen werden"),
    "seed {number}": ("Startwert {number}"),
    "1 step": ("1 Schritt"),
    "{count} steps": ("{count} Schritte"),
    "Frame {number} of {all}": ("Bild {number} von {all}"),
    ", {time} left": (", noch {time}"),
    "Frames {first} to {last}": ("Bilder {first} bis {last}"),
    "Its expressions are keyframes; seed, steps, face and crop are set": (
        "Seine Ausdrücke sind Keyframes; Startwert, Schritte, Gesicht und Ausschnitt sind gestellt"
    ),
    "{count} frames": ("{count} Bilder"),
    "All frames were there already": ("Alle Bilder waren schon da"),
    'Give it a name of up to 60 letters without / \\ : * ? " < > |': (
        'Gib ihm einen Namen mit bis zu 60 Zeichen ohne / \\ : * ? " < > |'
    ),
    "not finite": ("nicht endlich"),
    "{name} is damaged; delete it or save the preset again": (
        "{name} ist beschädigt; lösche es oder speichere den Ausdruck noch einmal"
    ),
    "There is a preset “{name}” already": ("Den Ausdruck „{name}“ gibt es schon"),
    "{name} is no Live Link Face recording: {reason}": (
        "{name} ist keine Aufnahme von Live Link Face: {reason}"
    ),
    "it is no text": ("es ist kein Text"),
    "it holds no frames": ("sie enthält keine Bilder"),
    "its first line does not name ARKit coefficients such as EyeBlinkLeft": (
        "die erste Zeile nennt keine ARKit-Koeffizienten wie EyeBlinkLeft"
    ),
    "line {number} is not complete": ("Zeile {number} ist unvollständig"),
    "{count} sliders over {span} frames": ("{count} Regler über {span} Bilder"),
    "no picture or movie is chosen": ("es ist kein Bild oder Film gewählt"),
    "several files must be JPEG, PNG or WebP pictures": (
        "mehrere Dateien müssen Bilder in JPEG, PNG oder WebP sein"
    ),
    "The report is in the clipboard": ("Der Bericht ist in der Zwischenablage"),
    "The backend has not written a log yet": ("Das Backend hat noch kein Protokoll geschrieben"),
    "The backend was stopped.": ("Das Backend wurde beendet."),
    "The backend refused the work (HTTP {status}).": ("Das Backend lehnte die Arbeit ab (HTTP {status})."),
    "The backend's Python is not there: {path}.": ("Das Python des Backends ist nicht da: {path}."),
    "The backend's Python cannot be run: {reason}.": (
        "Das Python des Backends lässt sich nicht ausführen: {reason}."
    ),
    "protocol {theirs}, wanted {ours}": ("Protokoll {theirs}, verlangt {ours}"),
    "exit status {code}": ("Rückgabewert {code}"),
    "Nothing has been installed yet": ("Es wurde noch nichts installiert"),
    "No backend is installed": ("Es ist kein Backend installiert"),
    "Install the Backend": ("Das Backend installieren"),
    "Remove the Backend": ("Das Backend entfernen"),
    "Deletes this folder. Your pictures and reliefs stay; new ones need the backend again.": (
        "Löscht diesen Ordner. Deine Bilder und Reliefs bleiben; neue brauchen das Backend wieder."
    ),
    "Looking at Python": ("Sieht nach Python"),
    "Removing the old environment": ("Entfernt die alte Umgebung"),
    "Making the environment": ("Legt die Umgebung an"),
    "Downloading packages": ("Lädt Pakete herunter"),
    "Installing the backend": ("Installiert das Backend"),
    "Testing the backend": ("Prüft das Backend"),
    "Tidying up": ("Räumt auf"),
    "Installed": ("Installiert"),
    "Removed": ("Entfernt"),
    "Asking which packages are needed": ("Fragt, welche Pakete nötig sind"),
    "Package {number} of {total}: {name}": ("Paket {number} von {total}: {name}"),
    "{name}: {here:.0f} of {all:.0f} MB": ("{name}: {here:.0f} von {all:.0f} MB"),
    "Unpacking {count} packages": ("Packt {count} Pakete aus"),
    "{wanted:.0f} GB needed, {free:.1f} GB free in {folder}": (
        "{wanted:.0f} GB nötig, {free:.1f} GB frei in {folder}"
    ),
    "this one is {version}": ("dieses ist {version}"),
}

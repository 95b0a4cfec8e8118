# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what tooltips and notes say. The English text is the key: a changed one is missed by the tests."""

from __future__ import annotations

HELP: dict[str, str] = {
    "Strength of the relief: 1 is the measured depth, 0 is flat. Sculpted changes stay. To animate it, keyframe the object's scale in Y": (
        "Stärke des Reliefs: 1 ist die gemessene Tiefe, 0 ist flach. Was modelliert wurde, bleibt. Animiert wird sie über die Skalierung des Objekts in Y"
    ),
    "Take this face of the photo; again takes the largest near the middle, as without a choice": (
        "Nimmt dieses Gesicht des Fotos; noch einmal nimmt das größte nahe der Mitte, wie ohne Wahl"
    ),
    "Counted from 1 on the left": "Von 1 an gezählt, von links",
    "A picture that is open in Blender, also painted, packed or generated ones": (
        "Ein in Blender offenes Bild, auch ein gemaltes, gepacktes oder erzeugtes"
    ),
    "A picture file on disk": "Eine Bilddatei auf der Festplatte",
    "The portrait photo": "Das Porträtfoto",
    "Which face where there are several, from 1 on the left; 0 takes the largest near the middle": (
        "Welches Gesicht, wenn es mehrere sind, von links ab 1 gezählt; 0 nimmt das größte nahe der Mitte"
    ),
    "How strongly the next preset is applied": "Wie stark die nächste Vorlage angewandt wird",
    "One factor over all sliders, also those that a mesh or keyframes drive": (
        "Ein Faktor für alle Regler, auch für die von einem Mesh oder Keyframes gesteuerten"
    ),
    "Moving a slider of one side of the face moves the other side's with it": (
        "Ein Regler einer Gesichtshälfte bewegt den der anderen mit"
    ),
    "Sliders at 0 that nothing animates are left to the photo instead of being made neutral": (
        "Regler auf 0, die nichts animiert, bleiben dem Foto überlassen, statt neutral zu werden"
    ),
    "Turn the head; otherwise it stays as it is in the photo": (
        "Den Kopf drehen; sonst bleibt er wie im Foto"
    ),
    "Pixels; at most four times the photo's longer side": (
        "Pixel; höchstens das Vierfache der längeren Seite des Fotos"
    ),
    "Take this square round the head instead of looking for it: where it is found wrongly": (
        "Dieses Quadrat um den Kopf nehmen, statt ihn zu suchen: wo er falsch gefunden wird"
    ),
    "Pixels from the photo's left border": "Pixel vom linken Rand des Fotos",
    "Pixels from the photo's upper border": "Pixel vom oberen Rand des Fotos",
    "A mesh with shape keys named as ARKit names its coefficients; their values are used": (
        "Ein Mesh mit Formschlüsseln, die wie die ARKit-Koeffizienten heißen; deren Werte gelten"
    ),
    "Folder for the frames of sequences; while the .blend is not saved, the extension's own is taken": (
        "Ordner für die Bilder von Sequenzen; solange die .blend nicht gespeichert ist, gilt der der Erweiterung"
    ),
    "Denoising steps; 0 takes what the model was made for": (
        "Entrauschungsschritte; 0 nimmt, wofür das Modell gemacht ist"
    ),
    "Another seed gives another variation": "Ein anderer Startwert ergibt eine andere Variante",
    "Vertices along the head's longer side; never more than the photo has pixels there": (
        "Eckpunkte entlang der längeren Seite des Kopfes; nie mehr, als das Foto dort Pixel hat"
    ),
    "Depth scale of the next relief; each relief has its own afterwards": (
        "Tiefenskalierung des nächsten Reliefs; danach hat jedes Relief seine eigene"
    ),
    "1 makes an average head life-sized (about 0.25 m)": (
        "1 macht einen durchschnittlichen Kopf lebensgroß (etwa 0,25 m)"
    ),
    (
        "Turn the head from how it is in the photo; positive turns towards the subject's own left (picture right). "
        "In degrees"
    ): "Den Kopf gegenüber dem Foto drehen; positiv zur eigenen Linken der Person (im Bild rechts). In Grad",
    "Nod from how the head is in the photo; positive looks up. In degrees": (
        "Gegenüber dem Foto nicken; positiv schaut nach oben. In Grad"
    ),
    "Tilt from how the head is in the photo; positive tilts clockwise as seen in the picture. In degrees": (
        "Gegenüber dem Foto neigen; positiv im Uhrzeigersinn, wie man es im Bild sieht. In Grad"
    ),
    "Shape only, in millimetres: slicers and CAM": "Nur die Form, in Millimetern: Slicer und CAM",
    "Shape and colour in millimetres: slicers and colour printing": (
        "Form und Farbe in Millimetern: Slicer und Farbdruck"
    ),
    "Shape in millimetres, with the picture in a file beside it": (
        "Form in Millimetern, mit dem Bild in einer Datei daneben"
    ),
    "Shape in millimetres with a colour a vertex": "Form in Millimetern mit einer Farbe je Eckpunkt",
    "glTF in one file, with the picture inside, in metres": (
        "glTF in einer Datei, mit dem Bild darin, in Metern"
    ),
    "USD in metres, with the picture in a folder beside it": (
        "USD in Metern, mit dem Bild in einem Ordner daneben"
    ),
    "USD in one file, with the picture inside, in metres": (
        "USD in einer Datei, mit dem Bild darin, in Metern"
    ),
    "16-bit greyscale heights for milling; white is highest": (
        "Höhen in 16 Bit Grau zum Fräsen; Weiß ist am höchsten"
    ),
    "Heights in millimetres as 32-bit numbers, for milling": (
        "Höhen in Millimetern als 32-Bit-Zahlen, zum Fräsen"
    ),
    "The relief as it is: open, not for printing": "Das Relief, wie es ist: offen, nicht zum Drucken",
    "Walls along the head's outline down to a flat back": (
        "Wände entlang des Kopfumrisses bis zu einer flachen Rückseite"
    ),
    "The relief on a rectangular plate": "Das Relief auf einer rechteckigen Platte",
    "The relief on an oval plate": "Das Relief auf einer ovalen Platte",
    "The relief on an oval plate with a raised rim": "Das Relief auf einer ovalen Platte mit erhöhtem Rand",
    "Longest side of the finished piece, border included. In millimetres": (
        "Längste Seite des fertigen Stücks samt Rand. In Millimetern"
    ),
    "From the base to the highest point; 0 keeps the head's own depth. In millimetres": (
        "Vom Sockel bis zum höchsten Punkt; 0 behält die Tiefe des Kopfes. In Millimetern"
    ),
    "What lies below the relief. In millimetres": "Was unter dem Relief liegt. In Millimetern",
    "From the relief to the plate's edge. In millimetres": (
        "Vom Relief bis zur Kante der Platte. In Millimetern"
    ),
    "A medallion's rim above its plate. In millimetres": (
        "Rand eines Medaillons über seiner Platte. In Millimetern"
    ),
    "Hollow the piece out from its back": "Das Stück von hinten aushöhlen",
    "What stays below the surface and at the edge. In millimetres": (
        "Was unter der Oberfläche und an der Kante stehen bleibt. In Millimetern"
    ),
    "About as many as the file shall have. A surface is never made finer than it is": (
        "Etwa so viele, wie die Datei haben soll. Eine Oberfläche wird nie feiner, als sie ist"
    ),
    "Longest side of the depth map in pixels": "Längste Seite der Tiefenkarte in Pixeln",
    "Colour of everything that the head does not cover": "Farbe von allem, was der Kopf nicht bedeckt",
    "The picture itself: colour printing services": "Das Bild selbst: Dienste für Farbdruck",
    "One colour a vertex: slicers that know no pictures": (
        "Eine Farbe je Eckpunkt: Slicer, die keine Bilder kennen"
    ),
    "Shape only": "Nur die Form",
    "Largest piece that the printer or mill takes: width, depth and height in millimetres": (
        "Größtes Stück, das Drucker oder Fräse aufnimmt: Breite, Tiefe und Höhe in Millimetern"
    ),
    "What the printer can still print. In millimetres": "Was der Drucker noch drucken kann. In Millimetern",
    "Steepest overhang that prints without support, from the vertical, in degrees": (
        "Steilster Überhang, der ohne Stützen druckt, von der Senkrechten aus, in Grad"
    ),
    "Where the key light stands around the head, in degrees: 0 in front, + to the picture's right": (
        "Wo das Führungslicht um den Kopf steht, in Grad: 0 vorn, + zur rechten Bildseite"
    ),
    "How high the key light stands above the middle of the head, in degrees": (
        "Wie hoch das Führungslicht über der Kopfmitte steht, in Grad"
    ),
    "Brightness of all the rig's lights; at 1 a white surface facing the key is just white": (
        "Helligkeit aller Lichter des Aufbaus; bei 1 ist eine weiße, dem Führungslicht zugewandte Fläche gerade weiß"
    ),
    "Makes all the rig's lights warmer, or cooler below 0": (
        "Macht alle Lichter des Aufbaus wärmer, unter 0 kühler"
    ),
    "Brightness of the HDRI": "Helligkeit des HDRI",
    "Turns the HDRI around the head, in degrees; it also turns with the relief": (
        "Dreht das HDRI um den Kopf, in Grad; es dreht sich auch mit dem Relief"
    ),
    "The picture with the light that it was taken in": (
        "Das Bild mit dem Licht, in dem es aufgenommen wurde"
    ),
    "The picture with its light divided out, for lighting it anew": (
        "Das Bild, dessen Licht herausgerechnet ist, um es neu zu beleuchten"
    ),
    "Also remove the light's colours, for photos lit by lamps of different colours": (
        "Auch die Farben des Lichts entfernen, für Fotos mit verschiedenfarbigen Lampen"
    ),
    "How much of the photo's light is removed": "Wie viel vom Licht des Fotos entfernt wird",
    "Fast, on the graphics card": "Schnell, auf der Grafikkarte",
    "Slower, with true soft shadows and bounced light": (
        "Langsamer, mit echten weichen Schatten und zurückgeworfenem Licht"
    ),
    "Samples a pixel of the still": "Samples je Pixel des Bildes",
    "Rebuild at every change of these settings, as long as the relief was not sculpted": (
        "Bei jeder Änderung dieser Einstellungen neu bauen, solange das Relief nicht modelliert wurde"
    ),
    "Quads of equal size, as sculpting and subdividing like them": (
        "Gleich große Vierecke, wie Modellieren und Unterteilen sie mögen"
    ),
    "Small triangles where the surface bends, large ones where it is even": (
        "Kleine Dreiecke, wo die Fläche sich biegt, große, wo sie eben ist"
    ),
    "How far an adaptive grid may lie off the uniform one, in mm": (
        "Wie weit ein angepasstes Gitter vom gleichmäßigen abweichen darf, in mm"
    ),
    "Cut this much off along the outline, where the depth is least certain, in mm": (
        "So viel am Umriss abschneiden, wo die Tiefe am unsichersten ist, in mm"
    ),
    "Fill holes up to this wide, in mm; 0 leaves them open": (
        "Löcher bis zu dieser Breite füllen, in mm; 0 lässt sie offen"
    ),
    "Take off single points that stand far above or below all around them": (
        "Einzelne Punkte wegnehmen, die weit über oder unter allem um sie herum stehen"
    ),
    "Smooth small bumps of the depth away": "Kleine Unebenheiten der Tiefe glätten",
    "Bumps that stand more than this above their neighbours are features and stay, in mm": (
        "Was höher als dies über seinen Nachbarn steht, ist ein Merkmal und bleibt, in mm"
    ),
    "Pixels lie straight behind each other; the photo fits exactly": (
        "Pixel liegen gerade hintereinander; das Foto passt genau"
    ),
    "Pixels lie on the rays of a camera with the focal length below": (
        "Pixel liegen auf den Strahlen einer Kamera mit der Brennweite darunter"
    ),
    "Of the photo's camera, as on full frame (36 mm film), in mm": (
        "Der Kamera des Fotos, wie bei Vollformat (36-mm-Film), in mm"
    ),
    "The surface alone": "Nur die Oberfläche",
    "Walls along the outline and a flat back": "Wände entlang des Umrisses und eine flache Rückseite",
    "The solid on a plate as large as the photo, with the photo on it": (
        "Der massive Kopf auf einer Platte so groß wie das Foto, mit dem Foto darauf"
    ),
    "From the relief's lowest point to its back, or of the plate, in mm": (
        "Vom tiefsten Punkt des Reliefs bis zur Rückseite, oder der Platte, in mm"
    ),
    "The vertices lie where the depth is: for sculpting and export": (
        "Die Eckpunkte liegen, wo die Tiefe ist: zum Modellieren und Exportieren"
    ),
    "A flat mesh with a Displace modifier that reads the depth picture": (
        "Ein flaches Mesh mit einem Verschiebe-Modifikator, der das Tiefenbild liest"
    ),
    "Shade what is finer than the mesh by a normal map, made from the full depth picture": (
        "Was feiner als das Mesh ist, durch eine Normal-Map aus dem ganzen Tiefenbild schattieren"
    ),
    "Start the backend with the Python named below": "Das Backend mit dem unten genannten Python starten",
    "Use a backend that runs already, here or on another machine": (
        "Ein Backend nehmen, das schon läuft, hier oder auf einem anderen Rechner"
    ),
    "Python, or the virtual environment's folder, that the package portrait-relief is installed in": (
        "Python, oder der Ordner der virtuellen Umgebung, in der das Paket portrait-relief installiert ist"
    ),
    "Folder that holds the package `backend`, to run it from a source checkout": (
        "Ordner mit dem Paket `backend`, um es aus dem Quellcode laufen zu lassen"
    ),
    "Checkpoint in diffusers layout; empty for the one that comes with the backend": (
        "Checkpoint im Aufbau von diffusers; leer für den des Backends"
    ),
    "What the model runs on; takes effect when the backend starts the next time": (
        "Worauf das Modell rechnet; gilt, sobald das Backend das nächste Mal startet"
    ),
    "A CUDA graphics card, else Apple's, else the processor": (
        "Eine CUDA-Grafikkarte, sonst die von Apple, sonst der Prozessor"
    ),
    "Slow, but needs no graphics memory": "Langsam, braucht aber keinen Grafikspeicher",
    "What the model computes with; takes effect when the backend starts the next time": (
        "Womit das Modell rechnet; gilt, sobald das Backend das nächste Mal startet"
    ),
    "Full precision: depth is worth more than speed": "Volle Genauigkeit: Tiefe ist wichtiger als Tempo",
    "The most exact depth, on every device": "Die genaueste Tiefe, auf jedem Gerät",
    "Faster on recent processors and graphics cards; depth moves, here and there by millimetres": (
        "Schneller auf neueren Prozessoren und Grafikkarten; die Tiefe ändert sich, hier und da um Millimeter"
    ),
    "Less graphics memory, and depth moves less than with bfloat16; not for processors": (
        "Weniger Grafikspeicher, die Tiefe ändert sich weniger als mit bfloat16; nicht für Prozessoren"
    ),
    "The first NVIDIA (or ROCm) graphics card": "Die erste Grafikkarte von NVIDIA (oder mit ROCm)",
    "The graphics part of Apple's chips": "Der Grafikteil von Apples Chips",
    "By the name that torch has for it, such as cuda:1": "Mit dem Namen, den torch dafür hat, etwa cuda:1",
    "As torch calls it: cuda:1, xpu": "Wie torch es nennt: cuda:1, xpu",
    "Folder that the backend is installed in; empty for the extension's own": (
        "Ordner, in den das Backend installiert wird; leer für den der Erweiterung"
    ),
    "Python 3.11 or newer to make the environment with; empty for the one that Blender comes with": (
        "Python 3.11 oder neuer, um die Umgebung damit anzulegen; leer für das von Blender"
    ),
    "Another place to download packages from, such as the one that pytorch.org names for your GPU": (
        "Eine weitere Stelle zum Herunterladen von Paketen, etwa die, die pytorch.org für deine Grafikkarte nennt"
    ),
    "Of the running backend: 127.0.0.1:PORT here, https://HOST:PORT on another machine": (
        "Des laufenden Backends: hier 127.0.0.1:PORT, auf einem anderen Rechner https://HOST:PORT"
    ),
    "The running backend's PORTRAIT_RELIEF_TOKEN": "Das PORTRAIT_RELIEF_TOKEN des laufenden Backends",
    "Start the local process that holds the model": "Den lokalen Prozess starten, der das Modell hält",
    "End the backend if it runs and start it anew": "Das Backend beenden, falls es läuft, und neu starten",
    "End the backend and give its memory back": "Das Backend beenden und seinen Speicher zurückgeben",
    "Give the model's memory back, also the graphics card's; the next job loads it again": (
        "Den Speicher des Modells zurückgeben, auch den der Grafikkarte; die nächste Aufgabe lädt es wieder"
    ),
    "Open what the backend wrote": "Öffnen, was das Backend geschrieben hat",
    "Copy versions, device, the last error, the last check and the end of the log, for a bug report": (
        "Versionen, Gerät, letzten Fehler, letzte Prüfung und Ende des Protokolls kopieren, für einen Fehlerbericht"
    ),
    "Choose the backend's Python, a running backend or a model folder": (
        "Das Python des Backends, ein laufendes Backend oder einen Modellordner wählen"
    ),
    "Download the packages that the model runs on into a folder of their own, apart from Blender": (
        "Die Pakete, auf denen das Modell läuft, in einen eigenen Ordner herunterladen, getrennt von Blender"
    ),
    "Delete the backend's environment and what was downloaded for it": (
        "Die Umgebung des Backends und das dafür Heruntergeladene löschen"
    ),
    "End the installation; it can be started again at any time": (
        "Die Installation beenden; sie kann jederzeit wieder begonnen werden"
    ),
    "Open what the installation wrote": "Öffnen, was die Installation geschrieben hat",
    "Give the portrait the expression below and make a relief of it": (
        "Dem Porträt den Ausdruck unten geben und ein Relief davon machen"
    ),
    "Make a relief of the photo as it is": "Ein Relief des Fotos machen, wie es ist",
    "Send the active relief's sculpted shape back and paint the portrait anew to match it": (
        "Die modellierte Form des aktiven Reliefs zurückschicken und das Porträt passend neu malen"
    ),
    "Stop the work; nothing is imported": "Die Arbeit anhalten; nichts wird importiert",
    "Take this message away": "Diese Meldung wegnehmen",
    "Set all sliders to a ready expression": "Alle Regler auf einen fertigen Ausdruck stellen",
    "Set these sliders to 0": "Diese Regler auf 0 stellen",
    "Swap the left and the right side of the expression and the pose": (
        "Linke und rechte Seite von Ausdruck und Haltung vertauschen"
    ),
    "Set all sliders to this expression": "Alle Regler auf diesen Ausdruck stellen",
    "Keep the sliders as an expression of your own, for all files": (
        "Die Regler als eigenen Ausdruck behalten, für alle Dateien"
    ),
    "Give an expression of your own another name": "Einem eigenen Ausdruck einen anderen Namen geben",
    "Delete this expression of your own from disk": "Diesen eigenen Ausdruck von der Festplatte löschen",
    "Set the sliders to what the driving mesh's ARKit shape keys show at this frame": (
        "Die Regler darauf stellen, was die ARKit-Formschlüssel des steuernden Meshs in diesem Bild zeigen"
    ),
    "Write a Live Link Face recording (CSV) as keyframes of the sliders": (
        "Eine Aufnahme von Live Link Face (CSV) als Keyframes der Regler schreiben"
    ),
    "Generate the animated expression for every frame from the scene's start to its end, as one relief that plays. Frames that were finished before are not made again": (
        "Den animierten Ausdruck für jedes Bild vom Anfang bis zum Ende der Szene erzeugen, als ein Relief, das abläuft. Schon fertige Bilder werden nicht noch einmal gemacht"
    ),
    "Take the picture in this Image Editor as the source": (
        "Das Bild in diesem Bildeditor als Quelle nehmen"
    ),
    "Open a portrait photo as the source": "Ein Porträtfoto als Quelle öffnen",
    "Take the camera's background picture as the source": (
        "Das Hintergrundbild der Kamera als Quelle nehmen"
    ),
    "Drag a square round the whole head, hair and chin included, in this Image Editor": (
        "In diesem Bildeditor ein Quadrat um den ganzen Kopf ziehen, mit Haaren und Kinn"
    ),
    "Import a result that was saved to a folder: portrait.png, depth.npy or depth.exr, report.json": (
        "Ein in einen Ordner gespeichertes Ergebnis importieren: portrait.png, depth.npy oder depth.exr, report.json"
    ),
    "Show this result's relief and make it the active object; others in the same place are hidden": (
        "Das Relief dieses Ergebnisses zeigen und zum aktiven Objekt machen; andere am selben Ort werden verborgen"
    ),
    "Take this result's picture as the next source": (
        "Das Bild dieses Ergebnisses als nächste Quelle nehmen"
    ),
    "Set the sliders, seed, steps, face and crop as they were for this result": (
        "Regler, Startwert, Schritte, Gesicht und Ausschnitt stellen, wie sie bei diesem Ergebnis waren"
    ),
    "Take this result off the list; its object and pictures stay": (
        "Dieses Ergebnis aus der Liste nehmen; Objekt und Bilder bleiben"
    ),
    "Set sliders, seed, steps, face and crop as they were for the chosen picture, if it is one of ours": (
        "Regler, Startwert, Schritte, Gesicht und Ausschnitt stellen, wie sie beim gewählten Bild waren, falls es eins von uns ist"
    ),
    "Save this result's picture with the settings it was made with in it: chosen as a source again, it gives "
    "them back. Image > Save As leaves them out": (
        "Das Bild dieses Ergebnisses mit den Einstellungen darin speichern, mit denen es gemacht wurde: wieder als "
        "Quelle gewählt, gibt es sie zurück. Bild > Speichern unter lässt sie weg"
    ),
    "Take this result off the list and delete its relief and pictures. A sequence's files go when the .blend is saved": (
        "Dieses Ergebnis aus der Liste nehmen und sein Relief und seine Bilder löschen. "
        "Die Dateien einer Sequenz gehen mit dem Speichern der .blend"
    ),
    "Show the reliefs of all results in a row, in the order of the list, to compare them": (
        "Die Reliefs aller Ergebnisse zum Vergleichen in einer Reihe zeigen, wie in der Liste"
    ),
    "Build the piece and look for faults that printers and other programs stumble over": (
        "Das Stück bauen und Fehler suchen, über die Drucker und andere Programme stolpern"
    ),
    "Change the settings so that what the report names is mended": (
        "Die Einstellungen so ändern, dass behoben ist, was der Bericht nennt"
    ),
    "Write the active relief with the settings of the Export panel": (
        "Das aktive Relief mit den Einstellungen des Feldes Export schreiben"
    ),
    "Light the active relief with this rig, in place of the one it has": (
        "Das aktive Relief mit diesem Aufbau beleuchten, anstelle des vorigen"
    ),
    "Take the active relief's lights away": "Die Lichter des aktiven Reliefs wegnehmen",
    "Light the scene with a picture of its surroundings; the world it has is kept": (
        "Die Szene mit einem Bild ihrer Umgebung beleuchten; ihre Welt wird aufgehoben"
    ),
    "Give the scene the world back that it had before": (
        "Der Szene die Welt zurückgeben, die sie vorher hatte"
    ),
    "Find the light of the photo by the relief's shape, divide it out, and show what is left": (
        "Das Licht des Fotos anhand der Form des Reliefs finden, herausrechnen und zeigen, was bleibt"
    ),
    "Show the relief lit anew in the 3D View: without the photo's light, and with a rig's": (
        "Das Relief neu beleuchtet in der 3D-Ansicht zeigen: ohne das Licht des Fotos, mit dem eines Aufbaus"
    ),
    "Show the active relief from its front, as large as the 3D View, with its picture on it": (
        "Das aktive Relief von vorn zeigen, so groß wie die 3D-Ansicht, mit seinem Bild darauf"
    ),
    "Show the active relief's relit still in an Image Editor, or in a window of its own": (
        "Das neu beleuchtete Bild des aktiven Reliefs in einem Bildeditor zeigen oder in einem eigenen Fenster"
    ),
    "Choose a portrait photo on disk and make a relief of it as it is": (
        "Ein Porträtfoto auf der Festplatte wählen und ein Relief davon machen, wie es ist"
    ),
    "Show the 3D View as it was before; rig and texture stay": (
        "Die 3D-Ansicht zeigen, wie sie vorher war; Aufbau und Textur bleiben"
    ),
    "Render the relief by the photo's own camera and lay it over the photo, pixel on pixel": (
        "Das Relief mit der Kamera des Fotos rendern und Pixel auf Pixel über das Foto legen"
    ),
    "Build the active relief again from its depth picture with the settings of this panel": (
        "Das aktive Relief aus seinem Tiefenbild mit den Einstellungen dieses Feldes neu bauen"
    ),
    "This relief was sculpted or edited since it was built.": (
        "Dieses Relief wurde modelliert oder bearbeitet, seit es gebaut wurde."
    ),
    "This copy carries none; name a Python or a source folder below": (
        "Diese Kopie bringt keines mit; nenne unten ein Python oder einen Quellordner"
    ),
    "Not installed, nor needed: another Python is used": "Nicht installiert und nicht nötig: ein anderes Python wird genommen",
    "Named by {variable}: {python}": "{variable} nennt {python}",
    "Named below: {python}": "Unten genannt: {python}",
    "Portrait Relief Is at Work": "Porträtrelief ist bei der Arbeit",
    "Can be used again when the work is done": "Geht wieder, wenn die Arbeit fertig ist",
    "Blender was started in offline mode and may not download": (
        "Blender wurde offline gestartet und darf nichts herunterladen"
    ),
    "A new backend came with this add-on": "Mit dieser Erweiterung kam ein neues Backend",
    "No results yet": "Noch keine Ergebnisse",
    "Leave edit mode, or switch dynamic topology off, first": "Zuerst den Bearbeitungsmodus verlassen oder die dynamische "
    "Topologie abschalten",
    "Leave edit mode or dyntopo to change it": "Zum Ändern Bearbeitungsmodus oder Dyntopo verlassen",
    "Its depth was lost by remeshing": "Seine Tiefe ging durch Remeshing verloren",
    "Seconds to wait in background mode": "Sekunden, die im Hintergrundmodus gewartet wird",
    "Make Anew": "Neu anlegen",
    "Remove the environment and make it anew, also where it is whole": (
        "Die Umgebung entfernen und neu anlegen, auch wenn sie heil ist"
    ),
    "Seconds to wait for the result in background mode": (
        "Sekunden, die im Hintergrundmodus auf das Ergebnis gewartet wird"
    ),
    "Wait": "Warten",
    "Return only when it is done": "Erst zurückkehren, wenn es fertig ist",
    "Stop this work; everything stays as it is": "Diese Arbeit abbrechen; alles bleibt, wie es ist",
    "Return only when the result is imported": "Erst zurückkehren, wenn das Ergebnis importiert ist",
    "Take the recording's first frame as the actor's face at rest, and only what changes from there": (
        "Das erste Bild der Aufnahme als ruhendes Gesicht der Person nehmen und nur, was sich von da an ändert"
    ),
    "Also the head's turn; its signs depend on how the phone was held, so look at the first result": (
        "Auch die Drehung des Kopfes; die Vorzeichen hängen davon ab, wie das Telefon gehalten wurde: erst ein Ergebnis ansehen"
    ),
    "Swap the left and the right side": "Linke und rechte Seite vertauschen",
    "Make All Anew": "Alle neu machen",
    "Also the frames that were finished before": "Auch die schon fertigen Bilder",
    "-1 is the active one": "-1 ist das aktive",
    "A key from one side, a soft fill from the other, and a light from behind that parts the head from the dark": (
        "Ein Führungslicht von einer Seite, ein weiches Fülllicht von der anderen und ein Licht von hinten, das den Kopf vom Dunkel trennt"
    ),
    "A high key from the side; the nose's shadow leaves a triangle of light on the far cheek": (
        "Ein hohes Führungslicht von der Seite; der Schatten der Nase lässt ein Lichtdreieck auf der fernen Wange"
    ),
    "A high key straight in front, with a butterfly's shadow under the nose, and a reflector from below": (
        "Ein hohes Führungslicht genau von vorn, mit dem Schatten eines Schmetterlings unter der Nase, und ein Aufheller von unten"
    ),
    "A key at right angles to the view: one half of the face is lit, the other lies in the dark": (
        "Ein Führungslicht rechtwinklig zum Blick: eine Gesichtshälfte ist hell, die andere liegt im Dunkel"
    ),
    "Two lights from behind that draw the head's outline; the face stays dark": (
        "Zwei Lichter von hinten, die den Umriss des Kopfes zeichnen; das Gesicht bleibt dunkel"
    ),
    "A large soft daylight from the side, and what the room throws back": (
        "Ein großes weiches Tageslicht von der Seite, und was das Zimmer zurückwirft"
    ),
    "Also where the relief was sculpted or edited: that is lost": (
        "Auch wo das Relief modelliert oder bearbeitet wurde: das geht verloren"
    ),
}

# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what went wrong, and what to do about it (`core.errors`)."""

from __future__ import annotations

PROBLEMS: dict[str, str] = {
    "The picture of this result was deleted": "Das Bild dieses Ergebnisses wurde gelöscht",
    "{name} cannot be written: {reason}": "{name} kann nicht geschrieben werden: {reason}",
    "This relief's pictures and shapes were deleted when the .blend was saved.": (
        "Die Bilder und Formen dieses Reliefs wurden beim Speichern der .blend gelöscht."
    ),
    "The normal map was made for another Depth Scale. Rebuild Relief makes it anew, nothing else.": (
        "Die Normal-Map ist für eine andere Tiefenskalierung gemacht. „Relief neu bauen“ macht sie neu, sonst nichts."
    ),
    "None of the frames from Start to End is finished.": "Keines der Bilder von Start bis Ende ist fertig.",
    "Wait for the first one, or press Generate Sequence.": (
        "Auf das erste warten oder „Sequenz erzeugen“ drücken."
    ),
    "Its frames are still there: Generate Sequence imports them again.": (
        "Seine Einzelbilder sind noch da: „Sequenz erzeugen“ importiert sie wieder."
    ),
    "The Portrait Relief backend is not installed yet.": (
        "Das Backend von Porträtrelief ist noch nicht installiert."
    ),
    "Install it once, or name a Python that has it in the preferences.": (
        "Installiere es einmal, oder nenne in den Einstellungen ein Python, das es hat."
    ),
    "What is sent could not be prepared.": "Was gesendet wird, konnte nicht vorbereitet werden.",
    "Undo the last change to the picture or the relief and try again.": (
        "Nimm die letzte Änderung an Bild oder Relief zurück und versuche es noch einmal."
    ),
    "Choose another folder or format, or close what holds the file.": (
        "Wähle einen anderen Ordner oder ein anderes Format, oder schließe, was die Datei offen hält."
    ),
    "The backend's installation is not complete.": "Die Installation des Backends ist unvollständig.",
    "Install it again.": "Installiere es noch einmal.",
    "The backend's Python is not there.": "Das Python des Backends ist nicht da.",
    "Choose another in the preferences, or empty that field.": (
        "Wähle in den Einstellungen ein anderes oder leere das Feld."
    ),
    "The backend ended while it was starting.": "Das Backend endete beim Starten.",
    "Its log tells why.": "Sein Protokoll sagt, warum.",
    "The backend did not start in time.": "Das Backend startete nicht rechtzeitig.",
    "Restart it; if that does not help, open its log.": (
        "Starte es neu; hilft das nicht, öffne sein Protokoll."
    ),
    "The backend ended in the middle of the work.": "Das Backend endete mitten in der Arbeit.",
    "Restart it and try again.": "Starte es neu und versuche es noch einmal.",
    "The backend does not answer.": "Das Backend antwortet nicht.",
    "The backend ended several times in a row and is not started again by itself.": (
        "Das Backend endete mehrmals nacheinander und wird nicht mehr von selbst gestartet."
    ),
    "Look at its log, then restart it.": "Sieh in sein Protokoll, dann starte es neu.",
    "The backend and this add-on are of different versions.": (
        "Backend und Erweiterung sind von verschiedenen Versionen."
    ),
    "Install the backend that belongs to this add-on, or choose another in the preferences.": (
        "Installiere das Backend, das zu dieser Erweiterung gehört, oder wähle in den Einstellungen ein anderes."
    ),
    "Without encryption the backend may only be on this machine.": (
        "Ohne Verschlüsselung darf das Backend nur auf diesem Rechner sein."
    ),
    "Use https://HOST:PORT, or 127.0.0.1:PORT through an SSH tunnel.": (
        "Nimm https://HOST:PORT, oder 127.0.0.1:PORT durch einen SSH-Tunnel."
    ),
    "This is no address of a backend.": "Das ist keine Adresse eines Backends.",
    "Write it as 127.0.0.1:PORT or https://HOST:PORT.": (
        "Schreibe sie als 127.0.0.1:PORT oder https://HOST:PORT."
    ),
    "A backend on another machine needs its token.": (
        "Ein Backend auf einem anderen Rechner braucht sein Token."
    ),
    "Copy it from that backend's PORTRAIT_RELIEF_TOKEN.": (
        "Kopiere es aus PORTRAIT_RELIEF_TOKEN jenes Backends."
    ),
    "Blender is not allowed to reach other machines.": "Blender darf andere Rechner nicht erreichen.",
    "Switch on Preferences > System > Network > Allow Online Access.": (
        "Schalte Einstellungen > System > Netzwerk > Online-Zugriff erlauben ein."
    ),
    "This backend was started elsewhere, so its memory cannot be freed from here.": (
        "Dieses Backend wurde anderswo gestartet; sein Speicher lässt sich von hier nicht freigeben."
    ),
    "It frees its memory by itself some minutes after the last job.": (
        "Es gibt seinen Speicher einige Minuten nach der letzten Aufgabe selbst frei."
    ),
    "The backend's token holds letters that no token has.": (
        "Das Token des Backends enthält Zeichen, die kein Token hat."
    ),
    "Copy it again from the backend's PORTRAIT_RELIEF_TOKEN.": (
        "Kopiere es noch einmal aus PORTRAIT_RELIEF_TOKEN des Backends."
    ),
    "The backend sent an answer that cannot be read.": (
        "Das Backend schickte eine Antwort, die nicht lesbar ist."
    ),
    "Restart it and try again; its log may tell more.": (
        "Starte es neu und versuche es noch einmal; sein Protokoll sagt vielleicht mehr."
    ),
    "The backend made no progress for too long.": "Das Backend kam zu lange nicht voran.",
    "The work did not finish within the time given.": (
        "Die Arbeit wurde in der gegebenen Zeit nicht fertig."
    ),
    "Allow more time, or look at the backend's log.": (
        "Gib mehr Zeit, oder sieh in das Protokoll des Backends."
    ),
    "Portrait Relief cannot write to its folder.": "Porträtrelief kann nicht in seinen Ordner schreiben.",
    "Free some space there or ask for permission to write, then try again.": (
        "Schaffe dort Platz oder bitte um Schreibrecht, dann versuche es noch einmal."
    ),
    "One sequence can have up to 512 frames.": "Eine Sequenz kann bis zu 512 Bilder haben.",
    "Shorten the scene's frame range and make the rest afterwards; finished frames are kept.": (
        "Verkürze den Bildbereich der Szene und mache den Rest danach; fertige Bilder bleiben."
    ),
    "This could not be done.": "Das ist nicht gelungen.",
    "Undo the last change and try again.": "Die letzte Änderung rückgängig machen und noch einmal versuchen.",
    "The relief is in use.": "Das Relief wird gerade bearbeitet.",
    "Rebuild it again in Object Mode.": "Im Objektmodus noch einmal bauen.",
    "Choose another relief.": "Ein anderes Relief wählen.",
    "The relief is closed and has no outline. Delete the faces at its back.": (
        "Das Relief ist geschlossen und hat keinen Umriss. Lösche die Flächen an seiner Rückseite."
    ),
    "The relief was deleted meanwhile.": "Das Relief wurde inzwischen gelöscht.",
    "The result could not be imported.": "Das Ergebnis konnte nicht importiert werden.",
    "Try another picture.": "Versuche ein anderes Bild.",
    "The scene that the result belongs to was deleted.": (
        "Die Szene, zu der das Ergebnis gehört, wurde gelöscht."
    ),
    "Try again in another scene.": "Versuche es in einer anderen Szene.",
    "The relief was sculpted or edited since it was built.": (
        "Das Relief wurde modelliert oder bearbeitet, seit es gebaut wurde."
    ),
    "Duplicate it first to keep that, or rebuild it with Discard Sculpting.": (
        "Dupliziere es vorher, um das zu behalten, oder baue es mit „Bearbeitung verwerfen“ neu."
    ),
    "The work was cancelled.": "Die Arbeit wurde abgebrochen.",
    "Try again.": "Versuche es noch einmal.",
    "No picture is chosen.": "Es ist kein Bild gewählt.",
    "Choose a portrait photo.": "Wähle ein Porträtfoto.",
    "The backend is being installed.": "Das Backend wird gerade installiert.",
    "Wait until that is done; the preferences show how far it is.": (
        "Warte, bis das fertig ist; die Einstellungen zeigen, wie weit es ist."
    ),
    "Portrait Relief is still at work.": "Porträtrelief ist noch bei der Arbeit.",
    "Wait for it or cancel it.": "Warte darauf oder brich sie ab.",
    "Blender is not allowed to download anything.": "Blender darf nichts herunterladen.",
    "Switch on Preferences > System > Network > Allow Online Access, then install again.": (
        "Schalte Einstellungen > System > Netzwerk > Online-Zugriff erlauben ein, dann installiere noch einmal."
    ),
    "This copy of the add-on carries no backend to install.": (
        "Diese Kopie der Erweiterung bringt kein Backend zum Installieren mit."
    ),
    "Install the add-on from its zip, or name a Python that has the backend in the preferences.": (
        "Installiere die Erweiterung aus ihrer ZIP-Datei, oder nenne in den Einstellungen ein Python, das das Backend hat."
    ),
    "No Python is there to make the backend's environment with.": (
        "Es ist kein Python da, um die Umgebung des Backends anzulegen."
    ),
    "Name a Python 3.11 or newer in the preferences.": (
        "Nenne in den Einstellungen ein Python 3.11 oder neuer."
    ),
    "The backend needs Python 3.11 or newer.": "Das Backend braucht Python 3.11 oder neuer.",
    "Name a newer one in the preferences, or empty that field to take Blender's.": (
        "Nenne in den Einstellungen ein neueres, oder leere das Feld, um das von Blender zu nehmen."
    ),
    "This Python cannot make an environment of its own because its venv or pip is missing.": (
        "Dieses Python kann keine eigene Umgebung anlegen, weil ihm venv oder pip fehlt."
    ),
    "Name another Python 3.11 or newer in the preferences; on Debian and Ubuntu install python3-venv.": (
        "Nenne in den Einstellungen ein anderes Python 3.11 oder neuer; auf Debian und Ubuntu installiere python3-venv."
    ),
    "There is not enough free space for the backend.": "Für das Backend ist nicht genug Platz frei.",
    "Free some, or choose a folder on another disk in the preferences.": (
        "Schaffe Platz, oder wähle in den Einstellungen einen Ordner auf einer anderen Platte."
    ),
    "The backend cannot be installed into this folder.": (
        "In diesen Ordner kann das Backend nicht installiert werden."
    ),
    "Choose another folder in the preferences.": "Wähle in den Einstellungen einen anderen Ordner.",
    "Windows refused a file because its path is too long.": (
        "Windows lehnte eine Datei ab, weil ihr Pfad zu lang ist."
    ),
    "Choose a folder with a short path in the preferences, such as C:\\PortraitRelief.": (
        "Wähle in den Einstellungen einen Ordner mit kurzem Pfad, etwa C:\\PortraitRelief."
    ),
    "The backend's packages could not be downloaded.": (
        "Die Pakete des Backends konnten nicht heruntergeladen werden."
    ),
    "Check the internet connection (and a proxy or firewall), then install again.": (
        "Prüfe die Internetverbindung (und Proxy oder Firewall), dann installiere noch einmal."
    ),
    "A package is not available for this Python and this system.": (
        "Ein Paket gibt es für dieses Python und dieses System nicht."
    ),
    "Name a Python 3.11 in the preferences; the install log tells more.": (
        "Nenne in den Einstellungen ein Python 3.11; das Installationsprotokoll sagt mehr."
    ),
    "The backend could not be installed.": "Das Backend konnte nicht installiert werden.",
    "The install log tells why.": "Das Installationsprotokoll sagt, warum.",
    "The installation made no progress for too long and was ended.": (
        "Die Installation kam zu lange nicht voran und wurde beendet."
    ),
    "Check the internet connection, then install again.": (
        "Prüfe die Internetverbindung, dann installiere noch einmal."
    ),
    "The backend was installed but does not work.": "Das Backend wurde installiert, arbeitet aber nicht.",
    "The old environment could not be removed.": "Die alte Umgebung konnte nicht entfernt werden.",
    "Close other Blenders that use it, then try again.": (
        "Schließe andere Blender, die sie benutzen, dann versuche es noch einmal."
    ),
    "Another Blender is installing the backend.": "Ein anderes Blender installiert gerade das Backend.",
    "Wait until it is done.": "Warte, bis es fertig ist.",
    "Face following could not be installed; the backend itself is whole.": (
        "Die Gesichtsverfolgung konnte nicht installiert werden; das Backend selbst ist vollständig."
    ),
    "Press Install Face Following to try again; the install log tells more.": (
        "„Gesichtsverfolgung installieren“ versucht es noch einmal; das Installationsprotokoll sagt mehr."
    ),
    "The model for face following could not be downloaded; the backend itself is whole.": (
        "Das Modell der Gesichtsverfolgung konnte nicht heruntergeladen werden; das Backend selbst ist vollständig."
    ),
    "Check the internet connection, then press Install Face Following.": (
        "Prüfe die Internetverbindung, dann drücke „Gesichtsverfolgung installieren“."
    ),
    "The backend could not be checked.": "Das Backend konnte nicht geprüft werden.",
    "Repair or reinstall it; doctor.log in the folder of its logs may tell more.": (
        "Repariere es oder installiere es neu; doctor.log im Ordner seiner Protokolle sagt vielleicht mehr."
    ),
    "Only a backend that is started from here can be checked.": (
        "Nur ein Backend, das von hier gestartet wird, kann geprüft werden."
    ),
    "On its own machine, portrait-relief doctor does it.": "Auf seinem eigenen Rechner tut es portrait-relief doctor.",
    "The check of the backend's installation found something wrong.": (
        "Die Prüfung der Installation des Backends hat einen Fehler gefunden."
    ),
    "The preferences tell what, and so does Copy Backend Report.": (
        "Die Einstellungen sagen, welchen, und „Bericht kopieren“ auch."
    ),
    # of the backend
    "The package mediapipe is not installed.": "Das Paket mediapipe ist nicht installiert.",
    "The face landmarker's model is not installed.": "Das Modell der Gesichtsverfolgung ist nicht installiert.",
    (
        "In Blender tick Face Following in the extension's preferences and install it. Elsewhere: pip install "
        "--no-deps mediapipe, then pip install absl-py certifi flatbuffers matplotlib."
    ): (
        "In Blender hake in den Einstellungen der Erweiterung „Gesichtsverfolgung“ an und installiere sie. "
        "Anderswo: pip install --no-deps mediapipe, dann pip install absl-py certifi flatbuffers matplotlib."
    ),
    (
        "In Blender tick Face Following in the extension's preferences and install it. Elsewhere: download "
        "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task "
        "and name the file with --landmarker or $PORTRAIT_RELIEF_LANDMARKER."
    ): (
        "In Blender hake in den Einstellungen der Erweiterung „Gesichtsverfolgung“ an und installiere sie. Anderswo: lade "
        "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task "
        "und nenne die Datei mit --landmarker oder $PORTRAIT_RELIEF_LANDMARKER."
    ),
    "Install the system's OpenGL ES libraries; on Debian and Ubuntu: apt install libegl1 libgles2.": (
        "Installiere die OpenGL-ES-Bibliotheken des Systems; auf Debian und Ubuntu: apt install libegl1 libgles2."
    ),
    "Reinstall the backend.": "Installiere das Backend neu.",
    "Python 3.11 or newer is needed.": "Nötig ist Python 3.11 oder neuer.",
    "Close other programs: less than 1 GiB is free.": "Schließe andere Programme: weniger als 1 GiB ist frei.",
    "The network returns no numbers: install the checkpoint again.": (
        "Das Netz liefert keine Zahlen: installiere das Modell noch einmal."
    ),
    "Processors have no float16 arithmetic worth using.": (
        "Prozessoren haben keine brauchbare Arithmetik für float16."
    ),
    "Choose float32 or bfloat16, or a graphics card as device.": (
        "Wähle float32 oder bfloat16, oder eine Grafikkarte als Gerät."
    ),
}

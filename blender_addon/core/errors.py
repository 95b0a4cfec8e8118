# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, told as one sentence for the artist, a hint, and the button that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .wording import Sentence, worded


class Remedy(Enum):
    """The button the panel offers below an error."""

    NONE = "NONE"
    START_BACKEND = "START_BACKEND"
    RESTART_BACKEND = "RESTART_BACKEND"
    OPEN_PREFERENCES = "OPEN_PREFERENCES"
    OPEN_LOG = "OPEN_LOG"
    CHOOSE_PICTURE = "CHOOSE_PICTURE"
    RETRY = "RETRY"
    INSTALL_BACKEND = "INSTALL_BACKEND"
    OPEN_INSTALL_LOG = "OPEN_INSTALL_LOG"


@dataclass(frozen=True)
class Problem:
    """One failure. `code` is stable and snake_case; `message` and `hint` are sentences."""

    code: str
    message: str
    hint: str
    remedy: Remedy

    @property
    def text(self) -> str:
        """Both sentences, for a report or an exception."""
        return f"{self.message} {self.hint}".strip()


class AddonError(Exception):
    """Carries a Problem to the one place that shows it."""

    def __init__(self, problem: Problem):
        super().__init__(problem.text)
        self.problem = problem


def _problem(code: str, message: str, hint: str, remedy: Remedy) -> tuple[str, Problem]:
    return code, Problem(code, message, hint, remedy)


LOCAL_PROBLEMS: dict[str, Problem] = dict(
    (
        _problem(
            "backend_not_found",
            "The Portrait Relief backend is not installed yet.",
            "Install it once, or name a Python that has it in the preferences.",
            Remedy.INSTALL_BACKEND,
        ),
        _problem(
            "preparing_failed",
            "What is sent could not be prepared.",
            "Undo the last change to the picture or the relief and try again.",
            Remedy.RETRY,
        ),
        _problem(
            "task_failed", "This could not be done.", "Undo the last change and try again.", Remedy.NONE
        ),
        _problem(
            "relief_removed", "The relief was deleted meanwhile.", "Choose another relief.", Remedy.NONE
        ),
        _problem("relief_in_use", "The relief is in use.", "Rebuild it again in Object Mode.", Remedy.NONE),
        _problem(
            "backend_incomplete",
            "The backend's installation is not complete.",
            "Install it again.",
            Remedy.INSTALL_BACKEND,
        ),
        _problem(
            "backend_python_missing",
            "The backend's Python is not there.",
            "Choose another in the preferences, or empty that field.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "backend_start_failed",
            "The backend ended while it was starting.",
            "Its log tells why.",
            Remedy.OPEN_LOG,
        ),
        _problem(
            "backend_start_timeout",
            "The backend did not start in time.",
            "Restart it; if that does not help, open its log.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "backend_stopped",
            "The backend ended in the middle of the work.",
            "Restart it and try again.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "backend_unreachable",
            "The backend does not answer.",
            "Restart it and try again.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "backend_restart_limit",
            "The backend ended several times in a row and is not started again by itself.",
            "Look at its log, then restart it.",
            Remedy.OPEN_LOG,
        ),
        _problem(
            "wrong_protocol",
            "The backend and this add-on are of different versions.",
            "Install the backend that belongs to this add-on, or choose another in the preferences.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "not_loopback",
            "Without encryption the backend may only be on this machine.",
            "Use https://HOST:PORT, or 127.0.0.1:PORT through an SSH tunnel.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "bad_address",
            "This is no address of a backend.",
            "Write it as 127.0.0.1:PORT or https://HOST:PORT.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "no_token",
            "A backend on another machine needs its token.",
            "Copy it from that backend's PORTRAIT_RELIEF_TOKEN.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "remote_offline",
            "Blender is not allowed to reach other machines.",
            "Switch on Preferences > System > Network > Allow Online Access.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "not_our_backend",
            "This backend was started elsewhere, so its memory cannot be freed from here.",
            "It frees its memory by itself some minutes after the last job.",
            Remedy.NONE,
        ),
        _problem(
            "bad_token",
            "The backend's token holds letters that no token has.",
            "Copy it again from the backend's PORTRAIT_RELIEF_TOKEN.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "bad_answer",
            "The backend sent an answer that cannot be read.",
            "Restart it and try again; its log may tell more.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "no_progress",
            "The backend made no progress for too long.",
            "Restart it and try again.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "blocking_timeout",
            "The work did not finish within the time given.",
            "Allow more time, or look at the backend's log.",
            Remedy.OPEN_LOG,
        ),
        _problem(
            "folder_not_writable",
            "Portrait Relief cannot write to its folder.",
            "Free some space there or ask for permission to write, then try again.",
            Remedy.RETRY,
        ),
        _problem(
            "too_many_frames",
            "One sequence can have up to 512 frames.",
            "Shorten the scene's frame range and make the rest afterwards; finished frames are kept.",
            Remedy.NONE,
        ),
        _problem(
            "import_failed",
            "The result could not be imported.",
            "Try another picture.",
            Remedy.CHOOSE_PICTURE,
        ),
        _problem(
            "scene_removed",
            "The scene that the result belongs to was deleted.",
            "Try again in another scene.",
            Remedy.RETRY,
        ),
        _problem(
            "relief_was_sculpted",
            "The relief was sculpted or edited since it was built.",
            "Duplicate it first to keep that, or rebuild it with Discard Sculpting.",
            Remedy.NONE,
        ),
        _problem(
            "portrait_not_measured",
            "This portrait's own expression has not been measured yet.",
            "Press Measure Portrait below the driving mesh, or set its motion to Absolute.",
            Remedy.NONE,
        ),
        _problem(
            "no_finished_frames",
            "None of the frames from Start to End is finished.",
            "Wait for the first one, or press Generate Sequence.",
            Remedy.NONE,
        ),
        _problem(
            "sequence_files_gone",
            "This relief's pictures and shapes were deleted when the .blend was saved.",
            "Its frames are still there: Generate Sequence imports them again.",
            Remedy.NONE,
        ),
        _problem(
            "driver_too_large",
            "The movie or the pictures are larger than 256 MiB.",
            "Cut them or scale them down; for long ones see the command line in the documentation.",
            Remedy.NONE,
        ),
        _problem(
            "driver_unreadable",
            "The driver cannot be read.",
            "Choose a photo, a movie, or several pictures.",
            Remedy.NONE,
        ),
        _problem("cancelled", "The work was cancelled.", "Try again.", Remedy.RETRY),
        _problem("no_picture", "No picture is chosen.", "Choose a portrait photo.", Remedy.CHOOSE_PICTURE),
        _problem(
            "installing",
            "The backend is being installed.",
            "Wait until that is done; the preferences show how far it is.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem("busy", "Portrait Relief is still at work.", "Wait for it or cancel it.", Remedy.NONE),
    )
)

# Of the installation. Below most of them lies the button that installs again.
LOCAL_PROBLEMS.update(
    (
        _problem(
            "install_offline",
            "Blender is not allowed to download anything.",
            "Switch on Preferences > System > Network > Allow Online Access, then install again.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_no_wheel",
            "This copy of the add-on carries no backend to install.",
            "Install the add-on from its zip, or name a Python that has the backend in the preferences.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_no_python",
            "No Python is there to make the backend's environment with.",
            "Name a Python 3.11 or newer in the preferences.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_old_python",
            "The backend needs Python 3.11 or newer.",
            "Name a newer one in the preferences, or empty that field to take Blender's.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_no_venv",
            "This Python cannot make an environment of its own because its venv or pip is missing.",
            "Name another Python 3.11 or newer in the preferences; on Debian and Ubuntu install python3-venv.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_no_space",
            "There is not enough free space for the backend.",
            "Free some, or choose a folder on another disk in the preferences.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_folder_not_writable",
            "The backend cannot be installed into this folder.",
            "Choose another folder in the preferences.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_long_paths",
            "Windows refused a file because its path is too long.",
            "Choose a folder with a short path in the preferences, such as C:\\PortraitRelief.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_no_network",
            "The backend's packages could not be downloaded.",
            "Check the internet connection (and a proxy or firewall), then install again.",
            Remedy.INSTALL_BACKEND,
        ),
        _problem(
            "install_no_package",
            "A package is not available for this Python and this system.",
            "Name a Python 3.11 in the preferences; the install log tells more.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_failed",
            "The backend could not be installed.",
            "The install log tells why.",
            Remedy.OPEN_INSTALL_LOG,
        ),
        _problem(
            "install_stuck",
            "The installation made no progress for too long and was ended.",
            "Check the internet connection, then install again.",
            Remedy.INSTALL_BACKEND,
        ),
        _problem(
            "install_not_working",
            "The backend was installed but does not work.",
            "The install log tells why.",
            Remedy.OPEN_INSTALL_LOG,
        ),
        _problem(
            "install_not_removed",
            "The old environment could not be removed.",
            "Close other Blenders that use it, then try again.",
            Remedy.OPEN_INSTALL_LOG,
        ),
        _problem(
            "face_failed",
            "Face following could not be installed; the backend itself is whole.",
            "Press Install Face Following to try again; the install log tells more.",
            Remedy.OPEN_INSTALL_LOG,
        ),
        _problem(
            "face_no_model",
            "The model for face following could not be downloaded; the backend itself is whole.",
            "Check the internet connection, then press Install Face Following.",
            Remedy.OPEN_INSTALL_LOG,
        ),
        _problem(
            "check_failed",
            "The backend could not be checked.",
            "Repair or reinstall it; doctor.log in the folder of its logs may tell more.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "check_elsewhere",
            "Only a backend that is started from here can be checked.",
            "On its own machine, portrait-relief doctor does it.",
            Remedy.NONE,
        ),
        _problem(
            "check_found",
            "The check of the backend's installation found something wrong.",
            "The preferences tell what, and so does Copy Backend Report.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "install_elsewhere",
            "Another Blender is installing the backend.",
            "Wait until it is done.",
            Remedy.NONE,
        ),
    )
)


def local(code: str, *, message: str = "", detail: str = "") -> Problem:
    """A problem noticed on this side. `message` replaces the sentence, `detail` is put behind it."""
    known = LOCAL_PROBLEMS[code]
    text = message or known.message
    if isinstance(text, Sentence) or isinstance(detail, Sentence):
        sentence = text if isinstance(text, Sentence) else worded(text)
        text = worded("{sentence} ({detail})", sentence=sentence, detail=detail) if detail else sentence
    elif detail:
        text = f"{text} ({detail})"
    return Problem(code, text, known.hint, known.remedy)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The local backend: an HTTP front process that is always responsive, and a worker process that owns torch.

``app`` routes, ``security`` token and Host checks, ``request`` what a client may ask, ``jobs`` the job
states, ``supervisor`` watches the worker, ``worker`` and ``worker_jobs`` run in the worker process,
``frames`` encodes results, ``lifetime`` and ``temp_folder`` make sure that neither processes nor files
outlive their owner.

Nothing imported by the front process may import torch.
"""

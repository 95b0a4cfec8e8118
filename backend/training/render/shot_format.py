# SPDX-License-Identifier: GPL-3.0-or-later
"""Version of the shots' files: raised whenever the same seed gives other pictures or other arrays.

1: display RGB, depth, coverage, face, motion. 2: strands and a hair mask. 3: light groups in linear light instead of
RGB, normals, region masks, landmarks, camera. 4: brows and beards of hairs, painted and black hair
that does not shine like skin; the sky's importance map is smaller.
5: a mask of brows and beards, which end at the throat; clothes in wearable colours that cover the shoulders; grey hair
less often before old age.
"""

FORMAT_VERSION = 5

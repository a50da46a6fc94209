# SPDX-License-Identifier: GPL-2.0
"""Runs in the guest: ordinary programs read channels. Output is TAP.

main.py [NAME...]: only the tests with one of these in the name of their function.
"""

import fio  # noqa: F401  pylint: disable=unused-import
import pipes  # noqa: F401  pylint: disable=unused-import
import python  # noqa: F401  pylint: disable=unused-import
import readers  # noqa: F401  pylint: disable=unused-import
import shell  # noqa: F401  pylint: disable=unused-import
import terminal  # noqa: F401  pylint: disable=unused-import
import tap

tap.main()

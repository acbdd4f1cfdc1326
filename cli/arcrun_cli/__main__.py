"""`python -m arcrun_cli`, where no script is installed."""

import sys

from arcrun_cli import main

sys.exit(main())

"""The tracker's door: `python tracker.py -h` lists what it can do. The program itself is `gotorrent/cli/tracker.py`."""

import sys

from gotorrent.cli import door

door.check(sys.argv[0])

from gotorrent.cli.tracker import main  # noqa: E402

sys.exit(main())

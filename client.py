"""The client's door: `python client.py -h` lists what it can do. The program itself is `gotorrent/cli/client.py`."""

import sys

from gotorrent.cli import door

door.check(sys.argv[0])

from gotorrent.cli.client import main  # noqa: E402

sys.exit(main())

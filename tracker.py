"""The tracker's door: `python tracker.py -h` lists what it can do. The program itself is `gotorrent/cli/tracker.py`."""

import importlib.util
import sys

INSTALL = "install what GoTorrent needs with: %s -m pip install -e ." % (sys.executable or "python")

if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit("GoTorrent needs Python 3.10 or newer, this is %s; then %s" % (sys.version.split()[0], INSTALL))  # noqa: UP031
missing = [name for name in ("bencodepy", "flask", "requests", "tqdm", "waitress", "yaml") if not importlib.util.find_spec(name)]
if missing:
    sys.exit("GoTorrent lacks Python packages (" + ", ".join(missing) + "); " + INSTALL)

from gotorrent.cli.tracker import main  # noqa: E402

sys.exit(main())

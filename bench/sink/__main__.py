"""What the sink takes: `python -m bench.sink <folder to build in>`."""

import json
import sys
from pathlib import Path

from bench.sink import build, capacity

home = Path(sys.argv[1])
print(json.dumps(capacity(build(home), home)))

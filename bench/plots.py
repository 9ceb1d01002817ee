"""Plots of the results: matplotlib in an environment of its own, since nothing else here needs it."""

import subprocess
import sys
from pathlib import Path

MATPLOTLIB = "matplotlib==3.10.7"


def draw(results: Path, home: Path) -> list[str]:
    """Draw results.json of a folder; the names of the SVG files beside it. None without matplotlib."""
    python = home / "bin" / "python"
    try:
        if not (home / "ready").exists():
            print(f"installing {MATPLOTLIB} for the plots")
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", MATPLOTLIB], check=True)
            (home / "ready").touch()
        program = Path(__file__).with_name("draw.py")
        subprocess.run([python, program, results], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        print(f"no plots: {error.stderr or error}", file=sys.stderr)
        return []
    return sorted(file.name for file in results.glob("*.svg"))

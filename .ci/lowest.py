"""Print pip constraints that pin every dependency of pyproject.toml to its lower bound."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
groups = [project["dependencies"], *project["optional-dependencies"].values()]
bounds = (re.fullmatch(r"([A-Za-z0-9-]+)>=([0-9.]+)", line) for group in groups for line in group)
print("\n".join(sorted({f"{m[1]}=={m[2]}" for m in bounds if m})))

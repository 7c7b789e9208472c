"""Make the reference pages from the declarations that the program itself runs on. Run by mkdocs.

Pages of docs/safety are written by hand; their tables are made from the safety case, the catalogue and the sources.
"""

from __future__ import annotations

from pathlib import Path

import mkdocs_gen_files

from ionward.cli.reference import PAGES
from ionward.safety_case.pages import filled

for name, page in PAGES.items():
    with mkdocs_gen_files.open(f"reference/{name}.md", "w") as file:
        file.write(page())

for path in sorted((Path(__file__).parent / "safety").glob("*.md")):
    with mkdocs_gen_files.open(f"safety/{path.name}", "w") as file:
        file.write(filled(path.read_text(encoding="utf-8"), str(path)))

"""Make the reference pages from the declarations that the program itself runs on. Run by mkdocs."""

from __future__ import annotations

import mkdocs_gen_files

from ionward.cli.reference import PAGES

for name, page in PAGES.items():
    with mkdocs_gen_files.open(f"reference/{name}.md", "w") as file:
        file.write(page())

"""The recipes of docs/testing.md as files that can be run: `recipes.py GUIDE LANGUAGE FOLDER`, with `python` or `js` for the language.

A block begins with ```LANGUAGE recipe=NAME. `support` is what the others share. Rust's are in tests/recipes, which checks that the guide prints them.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^```(\w+) recipe=([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {"python": ("conftest.py", "test_{}.py"), "js": ("support.mjs", "{}.test.mjs")}


def main(guide, language, folder):
    support, other = FILES[language]
    blocks = [(name, text) for lang, name, text in BLOCK.findall(pathlib.Path(guide).read_text()) if lang == language]
    if len(blocks) < 2:
        sys.exit(f"{guide}: no recipes in {language}")
    for name, text in blocks:
        file = support if name == "support" else other.format(name)
        (pathlib.Path(folder) / file).write_text(text)
    print(f"{len(blocks)} blocks of {language}")


if __name__ == "__main__":
    main(*sys.argv[1:])

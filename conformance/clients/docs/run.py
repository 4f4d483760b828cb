"""run.py WORK-DIR URL PAGE..: runs the programs of pages, each page's in their order, on one broker. What a program prints has to be what
the block ```text after it says."""
import os, pathlib, re, subprocess, sys

PRINTED_URL = "amqp://guest:guest@127.0.0.1:5672/"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.M | re.S)


def programs(page):
    """(language, program, what it prints) of a page."""
    blocks = [(match[1], match[2]) for match in BLOCK.finditer(page)]
    for (language, text), (following, printed) in zip(blocks, blocks[1:] + [("", "")]):
        if language in RUN:
            if following != "text":
                sys.exit(f"a program without what it prints:\n{text}")
            yield language, text, printed


def python(work, program):
    return [sys.executable, "-c", program], {}


def js(work, program):
    (work / "program.cjs").write_text(program)
    return ["node", "program.cjs"], {}


def go(work, program):
    (work / "program.go").write_text(program)
    settings = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOCACHE": str(work / "cache")}
    return ["go", "run", "program.go"], settings


RUN = {"python": python, "js": js, "go": go}


def main():
    work, url = pathlib.Path(sys.argv[1]), sys.argv[2].rstrip("/") + "/"
    count = 0
    for page in sys.argv[3:]:
        for language, program, printed in programs(pathlib.Path(page).read_text()):
            if PRINTED_URL not in program:
                sys.exit(f"a program that does not say where the broker is:\n{program}")
            command, settings = RUN[language](work, program.replace(PRINTED_URL, url))
            done = subprocess.run(command, cwd=work, env=os.environ | settings, text=True, capture_output=True, timeout=120)
            if done.returncode or done.stdout != printed:
                sys.exit(f"{program}\nprinted\n{done.stdout}{done.stderr}\ninstead of\n{printed}")
            count += 1
    print(f"docs: {count} programs print what they should")


main()

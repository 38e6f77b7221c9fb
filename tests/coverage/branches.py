"""branches.py REPORT: in the modules below each branch that no test takes has its reason in a comment with `unreached:`,
on its line or on the line above. Names those that have none; ends with 1 if there is one.

A line that never runs wants none, if the branch that leads to it is told of. Assertions are left out: they hold."""
import json
import re
import sys

MODULES = re.compile(r"src/(wire/.*|loop/stream|base/deadline|accounts/(password|store.*))\.[ch]")


def missed(file, lines):
    """The numbers of the lines with a branch that was never taken, and that ran."""
    for line in file["lines"]:
        number, counts = line["line_number"], [branch["count"] for branch in line["branches"]]
        if line["count"] and 0 in counts and not re.search(r"\bassert\(", lines[number - 1]):
            yield number


def has_reason(lines, number):
    return any("unreached:" in line for line in lines[max(number - 2, 0):number])


def main(report):
    unexplained = 0
    for file in json.load(open(report))["files"]:
        if not MODULES.fullmatch(file["file"]):
            continue
        lines = open(file["file"]).read().splitlines()
        for number in missed(file, lines):
            if not has_reason(lines, number):
                print(f"{file['file']}:{number}: no test takes each branch, and no comment says why: "
                      f"{lines[number - 1].strip()}")
                unexplained += 1
    return unexplained > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

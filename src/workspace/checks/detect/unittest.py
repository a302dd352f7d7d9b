"""Runs the unittest cases below this folder and tells of them in the words of pytest, for where that is not installed."""
import importlib
import os
import sys
import traceback
import unittest

FOREIGN = ("node_modules", "venv", "env", "build", "dist", "site-packages")


class Told(unittest.TestResult):
    """What came of it: a section for each failure, and lines for the end."""

    def __init__(self, path):
        super().__init__()
        self.path, self.lines, self.failed = path, [], 0

    def name(self, test):
        method = getattr(test, "_testMethodName", None)
        return "%s::%s::%s" % (self.path, type(test).__name__, method) if method else None

    def wrong(self, test, error):
        name = self.name(test)
        title = name.split("::", 1)[1].replace("::", ".") if name else "ERROR collecting " + self.path
        why = section(title, self.path, error)
        line = "%s %s - %s" % ("FAILED" if name else "ERROR", name or self.path, why)
        if line not in self.lines:
            self.lines.append(line)
            self.failed += 1

    def addSuccess(self, test):
        self.lines.append("PASSED " + self.name(test))

    def addFailure(self, test, error):
        self.wrong(test, error)

    def addError(self, test, error):
        self.wrong(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.wrong(test, error)

    def addUnexpectedSuccess(self, test):
        self.lines.append("FAILED %s - it was expected to fail, and did not" % self.name(test))
        self.failed += 1

    def addExpectedFailure(self, test, error):
        self.lines.append("XFAIL " + self.name(test))

    def addSkip(self, test, reason):
        self.lines.append("SKIPPED %s - %s" % (self.name(test) or self.path, reason))


def section(title, path, error):
    """Prints where and why, and gives the first line of it."""
    kind, value, trace = error
    print("____ %s ____" % title)
    traceback.print_exception(kind, value, trace, file=sys.stdout)
    text = ("%s: %s" % (kind.__name__, value)).splitlines()
    for line in text:
        print("E   " + line)
    here = [one for one in traceback.extract_tb(trace) if os.path.abspath(one.filename) == os.path.abspath(path)]
    if here:
        print("%s:%s: %s" % (path, here[-1].lineno, kind.__name__))
    return text[0]


def found():
    """The files that pytest would look into."""
    for at, folders, names in os.walk("."):
        foreign = lambda name: name[0] == "." or name in FOREIGN or os.path.exists(os.path.join(at, name, "pyvenv.cfg"))
        folders[:] = sorted(name for name in folders if not foreign(name))
        for name in sorted(names):
            if name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py")):
                yield os.path.relpath(os.path.join(at, name))


def loaded(path):
    """The module, by its name in the packages that it lies in."""
    folder, name = os.path.split(os.path.abspath(path))
    parts = [name[:-3]]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, last = os.path.split(folder)
        parts.insert(0, last)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = ".".join(parts)
    if os.path.abspath(getattr(sys.modules.get(name), "__file__", path) or path) != os.path.abspath(path):
        del sys.modules[name]
    return importlib.import_module(name)


def cases(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from cases(one)
        else:
            yield one


def run(path, wanted):
    """Runs the cases of a file, all of them or those with these names. None: it needs pytest."""
    told = Told(path)
    try:
        module = loaded(path)
    except unittest.SkipTest as skipped:
        told.lines.append("SKIPPED %s - %s" % (path, skipped))
        return told
    except Exception as error:
        if isinstance(error, ImportError) and (error.name or "").split(".")[0] == "pytest":
            return None
        told.wrong(None, (type(error), error, error.__traceback__))
        return told
    every = list(cases(unittest.defaultTestLoader.loadTestsFromModule(module)))
    unittest.TestSuite(one for one in every if not wanted or told.name(one) in wanted).run(told)
    return told


wanted = sys.argv[1:]
paths = list(dict.fromkeys(name.split("::")[0] for name in wanted)) or list(found())
ran = [(path, run(path, [name for name in wanted if "::" in name and name.split("::")[0] == path])) for path in paths]
lines = [line for _, told in ran if told for line in told.lines]
failed = sum(told.failed for _, told in ran if told)
lacking = [path for path, told in ran if told is None]
print("==== short test summary info ====")
print("\n".join(lines))
if failed:
    for path in lacking:
        print("%s was not run: it imports pytest, which is not installed" % path)
    sys.exit(1)
if lacking:
    print("No module named pytest: %s cannot be run without it" % ", ".join(lacking))
    sys.exit(1)
if paths and not lines:
    print("No module named pytest: unittest finds no tests in %s" % ", ".join(paths))
    sys.exit(1)
sys.exit(0 if lines else 5)

"""Build src/thalweg/data/files/stdlib.npz, the data set of tw.data.example().

Each sample is a module of Python's standard library, the inputs are the words of its documentation: the
docstrings of the module and of its public classes and functions (of all public modules of a package).
The label is 1 if the Library Reference lists the module under "Networking and Interprocess
Communication", "Internet Data Handling", "Structured Markup Processing Tools" or "Internet Protocols and
Support", and -1 if under another chapter. Modules with fewer than 40 known words are left out, and of
modules whose documentation nearly coincides (cosine above 0.7: bz2 and lzma, the audio formats) all but
the first.

Words are runs of three or more letters, in lower case, cut down to their first seven letters; kept if
they occur in at least two modules and in at most a fifth of them. Entries are (1 + log count) log(n /
modules with the word), rounded to three digits after each row has been scaled to norm 1.

The result depends on the version of Python; the file in the repository was built with 3.11.7. Run from
the root of the repository:

    python tools/build_example_data.py
"""

import ast
import re
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

# fmt: off
INTERNET = """
asyncio socket ssl select selectors signal mmap email json mailbox mimetypes base64 binascii quopri html
xml webbrowser wsgiref urllib http ftplib poplib imaplib smtplib uuid socketserver xmlrpc ipaddress
nntplib telnetlib smtpd asyncore asynchat cgi cgitb uu mailcap
""".split()  # noqa: SIM905
OTHER = """
string re difflib textwrap stringprep codecs datetime zoneinfo calendar collections heapq bisect weakref
types copy pprint reprlib enum graphlib numbers decimal fractions random statistics functools operator
pathlib fileinput filecmp tempfile glob fnmatch linecache shutil pickle copyreg shelve dbm sqlite3 gzip
bz2 lzma zipfile tarfile csv configparser tomllib netrc plistlib hashlib hmac secrets os io argparse
getopt logging getpass curses platform ctypes threading multiprocessing concurrent subprocess sched queue
contextvars gettext locale cmd shlex turtle tkinter typing pydoc doctest unittest bdb pdb timeit trace
tracemalloc ensurepip venv zipapp sysconfig dataclasses contextlib abc traceback inspect site code codeop
zipimport pkgutil modulefinder runpy importlib ast symtable token keyword tokenize tabnanny pyclbr
py_compile compileall dis pickletools optparse colorsys wave warnings profile pstats cProfile rlcompleter
struct chunk aifc sunau sndhdr imghdr pipes pty tty imp
""".split()  # noqa: SIM905
# fmt: on


def docstrings(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = [
        tree,
        *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)),
    ]
    public = (node for node in documented if not getattr(node, "name", "").startswith("_"))
    return "\n".join(ast.get_docstring(node) or "" for node in public)


def words(module: str) -> Counter[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    package = library / module
    files = sorted(package.rglob("*.py")) if package.is_dir() else [library / f"{module}.py"]
    files = [file for file in files if not {"test", "tests", "idlelib"} & set(file.parts)]
    text = "\n".join(docstrings(file) for file in files if file.exists())
    return Counter(word[:7] for word in re.findall("[a-z]{3,}", text.lower()))


def main() -> None:
    counts = {name: words(name) for name in sorted(INTERNET + OTHER)}
    seen = Counter(word for count in counts.values() for word in count)
    known = sorted(word for word, modules in seen.items() if 2 <= modules <= len(counts) / 5)
    column = {word: k for k, word in enumerate(known)}
    names = [name for name, count in counts.items() if len(column.keys() & count.keys()) >= 40]
    rows: list[np.ndarray] = []
    kept = []
    for name in names:
        row = np.zeros(len(known))
        for word in column.keys() & counts[name].keys():
            row[column[word]] = (1 + np.log(counts[name][word])) * np.log(len(counts) / seen[word])
        row = np.round(row / np.linalg.norm(row), 3)
        if all(row @ other <= 0.7 for other in rows):
            rows.append(row)
            kept.append(name)
    X = np.array(rows)
    used = X.any(axis=0)
    X, known = csr_array(X[:, used]), [word for word, keep in zip(known, used, strict=True) if keep]
    y = np.array([1.0 if name in INTERNET else -1.0 for name in kept])
    out = Path("src/thalweg/data/files/stdlib.npz")
    np.savez_compressed(
        out,
        X_data=X.data,
        X_indices=X.indices.astype(np.int32),
        X_indptr=X.indptr.astype(np.int32),
        X_shape=np.array(X.shape),
        y=y,
        name=np.array("modules of Python's standard library"),
        samples=np.array(kept),
        words=np.array(known),
    )
    python = sys.version.split()[0]
    print(f"Python {python}: {len(kept)} modules x {len(known)} words, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()

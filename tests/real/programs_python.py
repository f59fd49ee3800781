"""The table of Python programs people run on a mount; rows as in ``programs``.

A script sees the names of ``IMPORTS``, and ``IN`` and ``OUT`` as paths.
"""

from __future__ import annotations

import shlex
from textwrap import dedent

from tests.real.programs import Program

IMPORTS = "import io, mmap, os, pickle, shutil, sys; from pathlib import Path; "
PATHS = "IN, OUT = Path(os.environ['IN']), Path(os.environ['OUT'])\n"


def script(text: str) -> str:
    """The shell command that runs a script."""
    return f'"$PY" -c {shlex.quote(IMPORTS + PATHS + dedent(text))}'


STANDARD = (
    Program("open w", script("""
        with open("file", "w") as f:
            for n in range(1000): print(n, file=f)
            print(f.tell())""")),
    Program("open a", script("""open("text", "a").write("more")"""), "EOPNOTSUPP",
            before='cp "$IN/text" .'),
    Program("open r+", script("""
        with open("text", "r+", buffering=1) as f: f.write("changed\\n")"""), "EOPNOTSUPP",
            before='cp "$IN/text" .'),
    Program("open w+ and read", script("""
        with open("file", "w+b", buffering=0) as f: f.write(b"abc"); f.seek(0); f.read()"""),
        "EOPNOTSUPP", leaves=("file",)),
    Program("fsync and go on", script("""
        with open("file", "wb") as f:
            for n in range(5): f.write(bytes(3_000_000)); f.flush(); os.fsync(f.fileno())""")),
    Program("pickle", script("""
        with open("file", "wb") as f: pickle.dump({"a": [1, 2, 3]}, f)
        print(pickle.load(open("file", "rb")))""")),
    Program("write and rename", script("""
        Path("text.new").write_text("new"); os.replace("text.new", "text")
        print(Path("text").read_text())"""), before='cp "$IN/text" .'),
    Program("backup and write", script("""
        os.rename("text", "text~"); Path("text").write_text("new"); os.unlink("text~")"""),
        before='cp "$IN/text" .'),
    Program("shutil", script("""
        shutil.copytree(IN / "tree", "tree"); shutil.move("tree", "moved")
        shutil.copy2("moved/a", "b"); shutil.make_archive("c", "tar", "moved/sub")
        shutil.rmtree("moved"); Path("c.tar").unlink()""")),
    Program("zipfile", script("""
        import zipfile
        with zipfile.ZipFile("a.zip", "w") as z: z.write(IN / "text", "text")"""), "ESPIPE"),
    Program("zipfile reads", script("""
        import zipfile
        z = zipfile.ZipFile("tree.zip"); print(sorted(z.namelist())); print(z.testzip())"""),
        before='cp "$IN/tree.zip" .'),
    Program("sqlite3 of Python", script("""
        import sqlite3
        sqlite3.connect("db").execute("create table t (a)")"""), "EOPNOTSUPP",
        says="disk I/O error", leaves=("db", "db-journal")),
    Program("sqlite3 reads", script("""
        import sqlite3
        local = sqlite3.connect(OUT / "db"); local.execute("create table t (a)")
        local.execute("insert into t values (7)"); local.commit(); local.close()
        shutil.copy(OUT / "db", "db")
        print(list(sqlite3.connect("file:db?mode=ro", uri=True).execute("select a from t")))""")),
    Program("4 readers forked", script("""
        import multiprocessing as mp, zlib
        def part(n):
            with open("big", "rb") as f: f.seek(n * 5_000_000); return zlib.crc32(f.read(5_000_000))
        with mp.get_context("fork").Pool(4) as pool: print(pool.map(part, range(4)))"""),
        before='cp "$IN/big" .'),
    Program("mmap with 4 cursors", script("""
        import zlib
        m = mmap.mmap(os.open("big", os.O_RDONLY), 0, prot=mmap.PROT_READ)
        quarter, sums = len(m) // 4, [0] * 4
        for at in range(0, quarter, 1 << 16):
            for n in range(4):
                start = n * quarter + at
                sums[n] = zlib.crc32(m[start:min(start + (1 << 16), (n + 1) * quarter)], sums[n])
        print(sums)"""), before='cp "$IN/big" .'),
    Program("import", 'PYTHONPATH=. "$PY" -B -c "import package.part; print(package.part.NAME)"',
            before='mkdir package; touch package/__init__.py; echo "NAME=1" > package/part.py'),
    Program("import with bytecode", 'PYTHONPATH=. "$PY" -c "import part" && ls __pycache__ && '
            "rm -r __pycache__",  # holds the source's time
            before='echo "NAME=1" > part.py'),
    Program(
        "pip install",
        '"$PY" -m pip install -q --no-index --no-compile --disable-pip-version-check '
        '--root-user-action=ignore --target site "$IN/tiny-1.0-py3-none-any.whl" && '
        'PYTHONPATH=site "$PY" -B -c "import tiny; print(tiny.__file__)"',
    ),
)  # fmt: skip

LIBRARIES = (
    Program("numpy", script("""
        import numpy as np
        np.save("a.npy", np.arange(500_000)); print(np.load("a.npy").sum())
        print(np.load("a.npy", mmap_mode="r")[123_456])""")),
    Program("numpy savez", script("""
        import numpy as np
        np.savez("a.npz", a=np.arange(10))"""), "ESPIPE"),
    Program("numpy savetxt", script("""
        import numpy as np
        np.savetxt("a.txt", np.eye(3)); print(np.loadtxt("a.txt"))""")),
    Program("numpy memmap w+", script("""
        import numpy as np
        np.memmap("a.dat", dtype="u1", mode="w+", shape=(100,))"""), "ESPIPE"),
    Program("pandas csv", script("""
        import pandas as pd
        pd.DataFrame({"a": range(1000)}).to_csv("a.csv")
        print(pd.read_csv("a.csv")["a"].sum())""")),
    Program("pandas csv.gz", script("""
        import pandas as pd
        how = {"method": "gzip", "mtime": 0}
        pd.DataFrame({"a": range(1000)}).to_csv("a.csv.gz", compression=how)
        print(pd.read_csv("a.csv.gz")["a"].sum())""")),
    Program("pandas append", script("""
        import pandas as pd
        pd.DataFrame({"a": [1]}).to_csv("text", mode="a")"""), "EOPNOTSUPP",
        before='cp "$IN/text" .'),
    Program("parquet", script("""
        import pandas as pd
        pd.DataFrame({"a": range(100_000)}).to_parquet("a.parquet")
        print(pd.read_parquet("a.parquet", columns=["a"])["a"].sum())""")),
    Program("parquet dataset", script("""
        import pyarrow as pa, pyarrow.dataset as ds
        table = pa.table({"a": range(1000), "b": [n % 3 for n in range(1000)]})
        ds.write_dataset(table, "set", format="parquet", partitioning=["b"])
        print(ds.dataset("set", partitioning=["b"]).count_rows())""")),
    Program("arrow memory map", script("""
        import pyarrow as pa, pyarrow.feather as feather
        feather.write_feather(pa.table({"a": range(1000)}), "a.arrow", compression="uncompressed")
        print(feather.read_table("a.arrow", memory_map=True).num_rows)""")),
    Program("pillow png", script("""
        from PIL import Image
        Image.linear_gradient("L").save("a.png"); print(Image.open("a.png").getpixel((9, 9)))""")),
    Program("pillow jpeg", script("""
        from PIL import Image
        Image.linear_gradient("L").save("a.jpg"); print(Image.open("a.jpg").getpixel((9, 9)))""")),
    Program("matplotlib", script("""
        import matplotlib; matplotlib.use("agg")
        import matplotlib.pyplot as plt
        plt.plot([1, 2, 3]); plt.savefig("a.png")
        plt.savefig("a.pdf", metadata={"CreationDate": None})""")),
    Program("safetensors save_file", script("""
        import numpy as np
        from safetensors.numpy import save_file
        save_file({"a": np.arange(100_000)}, "a.safetensors")"""), "EOPNOTSUPP"),
    Program("safetensors", script("""
        import numpy as np
        from safetensors import safe_open
        from safetensors.numpy import load_file, save
        Path("a.safetensors").write_bytes(save({"a": np.arange(100_000), "b": np.ones(5)}))
        print(load_file("a.safetensors")["a"].sum())
        with safe_open("a.safetensors", "np") as f: print(f.get_tensor("b"))""")),
    Program("openpyxl", script("""
        import openpyxl
        openpyxl.Workbook().save("a.xlsx")"""), "ESPIPE"),
    Program("h5py", script("""
        import h5py
        with h5py.File("a.h5", "w") as f: f["a"] = range(1000)"""), "ESPIPE"),
    Program("h5py reads", script("""
        import h5py
        with h5py.File(OUT / "a.h5", "w") as f: f["a"] = range(1000)
        shutil.copy(OUT / "a.h5", ".")
        with h5py.File("a.h5", "r") as f: print(sum(f["a"]))"""),),
)  # fmt: skip

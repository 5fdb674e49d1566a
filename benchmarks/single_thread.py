"""Import this before NumPy, PyTorch and JAX: it keeps all of them to one thread.

`threads=` of the flow raises the limit again for that run alone. Benchmarks compare processor time with elapsed time,
so that a library which ignores these variables is found out.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

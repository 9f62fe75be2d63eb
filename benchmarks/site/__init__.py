"""
The minimal site that is measured, one process a variant.

The environment says what it is: ``BENCH_VARIANT`` (see ``benchmarks.variants``), ``BENCH_STORAGE`` (the options of its
S3 storage, JSON), ``BENCH_FOLDER`` (for files on disk), ``BENCH_STATIC`` (whether it serves the static files). The
modules that begin with ``run_`` are run in a process of a variant's own, and print JSON.
"""

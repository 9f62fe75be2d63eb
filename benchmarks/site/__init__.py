"""
The minimal site that is measured, one process a variant.

The environment says what it is: ``BENCH_VARIANT`` (see ``benchmarks.variants``), ``BENCH_STORAGE`` (the options of its
S3 storage, JSON), ``BENCH_FOLDER`` (for files on disk).
"""

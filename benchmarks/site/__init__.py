"""
The minimal site that is measured, one process a variant.

The environment says what it is: ``BENCH_VARIANT`` (see ``benchmarks.variants``), ``BENCH_STORAGE`` (the options of its
S3 storage, JSON), ``BENCH_FOLDER`` (for files on disk); when they are there at all, ``BENCH_STATIC`` (serve the static
files), ``BENCH_CALLS`` (count calls to the store), ``BENCH_NO_MIDDLEWARE`` (leave the variant's middleware out).
"""

"""The scripts that pages load, and what they weigh."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from benchmarks.stage import ROOT

UPPY = ROOT / "benchmarks" / "uppy"
ESBUILD = ROOT / "js" / "node_modules" / ".bin" / "esbuild"
BROTLI = (
    "process.stdout.write(require('zlib').brotliCompressSync(require('fs').readFileSync(0), {params: "
    "{[require('zlib').constants.BROTLI_PARAM_QUALITY]: 11}}))"
)


def static(app: str, path: str) -> bytes:
    """Return a static file of an app, as it is served."""
    spec = find_spec(app)
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "static" / path).read_bytes()


def bundle_uppy() -> bytes:
    """Return Uppy with its S3 plugin as one minified script, which defines ``uppy``."""
    if not (UPPY / "node_modules").exists():
        _run(_program("npm"), "--prefix", str(UPPY), "ci", "--no-audit", "--no-fund")
    if not ESBUILD.exists():
        _run(_program("npm"), "--prefix", str(ROOT / "js"), "ci", "--no-audit", "--no-fund")
    options = ["--bundle", "--minify", "--format=iife", "--global-name=uppy", "--legal-comments=none"]
    return _run(str(ESBUILD), str(UPPY / "index.js"), *options)


def uppy_version() -> str:
    """Return the version of Uppy's S3 plugin that is bundled."""
    packages = json.loads((UPPY / "package-lock.json").read_text())["packages"]
    version: str = packages["node_modules/@uppy/aws-s3"]["version"]
    return version


def sizes(script: bytes) -> dict[str, int]:
    """Return the bytes of a script: as it is, and as servers send it."""
    return {
        "minified": len(script),
        "gzip": len(gzip.compress(script, 9)),
        "brotli": len(_run(_program("node"), "-e", BROTLI, given=script)),
    }


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is missing")
    return path


def _run(*command: str, given: bytes = b"") -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr.decode()[-2000:]}")
    return done.stdout

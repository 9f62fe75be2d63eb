"""Why a target is missed, beside its figure: by the text of the target, in reStructuredText."""

from __future__ import annotations

RENDERING = (
    "What is above stock Django is one more attribute in Django's template, the signature of each field's policy, "
    "finding out what the field allows and, once for a form, the script's element. Remembering signed policies for a "
    "second was tried, and taken out again: it would save something only where a page is shown more than once a second."
)

PASSING = (
    "It is 2 to 6 µs: one for the call of a middleware, half of one for a look at the path, and for a form three for the "
    "class that claims the tokens when somebody looks at it, and for seeing that there are none. The views of this "
    "figure do nothing else; one that shows a form takes seven times as long, and there the difference can't be seen."
)

SMALL_FILE = (
    "The bare PUT is signed beforehand, and the first of the two ends with its bytes, while s3upload's clock ends with a "
    "saved form. What s3upload has to do more is to read the file once to hash it, because the checksum is in the "
    "signature (some 25 ms of 150); to ask for the signature (5 ms); and to send a form, which costs Ceph twice the CPU "
    'of a PUT (40 ms): with ``S3UPLOAD_METHOD = "PUT"`` almost half of the difference to the second is gone. POST '
    "stays the default, because a presigned PUT lets whoever has it send headers that were not signed, which Ceph obeys."
)

ASGI_FORM = (
    "Nearly all of it is rendering, for which see above: there is one input in the form, and little else on the page. "
    "Nothing of the middleware runs in a thread for such a request."
)

START_UP = (
    "What is above Django is reading the package's own modules, the system checks and the widgets among them. boto3, "
    "which would be a hundred times as much, is not read before a file is uploaded."
)

REASONS = {
    "one upload of 0.1 MB": (
        "Four fifths of the form post are the three calls to the store, which boto3 makes: the HEAD, the copy and the "
        "delete. s3file makes two, and leaves the uploaded object where it is. What is left besides them is Django's. "
        "Signing without boto3 and a fixed user agent, which boto3 puts together twice for each call, have saved a "
        "tenth; a client of our own would save more, and be one more client to keep."
    ),
    "one upload of 1000 MB": (
        "The cost is that of the requests for addresses: each part is read before it is signed, so that its checksum "
        "is in the signature, and up to sixteen of the sixty are signed in one request."
    ),
    "one upload of 1000 MB, to one of 0.1 MB": (
        "Up to 16 MiB a file is one request, above it is parts: the upload begins, is listed and completed, three more "
        "calls to the store, and sixty parts are signed in five requests to the site, because each signature has the "
        "checksum of its part, and no browser should read a gigabyte before the first byte is sent. With addresses for "
        "two parts in each request it was more than twice as much. From there on it grows with the parts, by less than "
        "0.3 ms for each; one PUT of 1000 MB would cost what 0.1 MB costs, and could neither go on after a lost "
        "connection nor use a slow line better."
    ),
    "form post, 50 files, 20 ms per call to the store": (
        "The files are validated together, sixteen at a time, and deleted in one call; the 50 copies come one after "
        "another, because the view saves one file after another and each has to have its name, or its error, before "
        "the next. They alone are a second."
    ),
    "form GET under ASGI": ASGI_FORM,
    "rendering 1 input": RENDERING,
    "rendering 10 inputs": RENDERING,
    "rendering 100 inputs": RENDERING,
    **{
        f"through the middleware: {name}": PASSING
        for name in ("GET", "form, urlencoded", "JSON, 1 MB", "raw stream, 1 MB")
    },
    **{f"start-up to a ready application, {what}": START_UP for what in ("CPU", "wall")},
    "10 MB in Chromium, to a bare PUT": SMALL_FILE,
    "10 MB in Chromium, to a bare PUT and the same form (floor of the same clock)": SMALL_FILE,
    "the script with everything in it, minified and compressed": (
        "Everything in it is: uploading in parts with checksums, going on after a reload, pausing, trying again, forms "
        "that wait, drag and drop, formsets, what a screen reader is told, the style sheet (1.1 kB) and three "
        "translations (1 kB). Without the latter two it would be 9.7 kB. The size is spread evenly, in steps of 5 to "
        "30 bytes; Terser after esbuild, short names for internal properties, a leaner style sheet and shorter sentences "
        "have saved a tenth. Compressed with Brotli, as many sites send it, it has 10.4 kB. Uppy has 22.5 kB with gzip, "
        "without a user interface."
    ),
}

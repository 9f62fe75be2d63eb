"""
Take each defence out in turn, and see its test fail.

    python -m tests.defences [part of a test's name …]

The table of docs/threats.rst names the tests; here stands, for each, which lines are the defence. A copy of the
package is broken, and the test is run on it. What ends well is said in one line each; a test that passes without its
defence, or fails with it, is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

FAILED = 1
"""What pytest exits with when tests have failed; other numbers mean that they could not be run."""


@dataclass(frozen=True)
class Defence:
    """
    Lines that hold off an attack.

    :param test: that fails without them: ``path::name``.
    :param path: of the module.
    :param old: the lines, or a part of one; they stand there once.
    :param new: what is left when the defence is taken out.
    """

    test: str
    path: str
    old: str
    new: str

    def remove(self, root: Path) -> None:
        """Break a copy of the package."""
        module = root / self.path
        text = module.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.path} has {self.old!r} {text.count(self.old)} times, not once")
        module.write_text(text.replace(self.old, self.new))


DEFENCES = tuple(
    Defence(*row)
    for row in [
        # Any object, by naming its key
        (
            "tests/test_tokens.py::test_every_changed_character_of_a_token_is_noticed",
            "s3upload/tokens.py",
            "return cls(*signing.loads(signed, salt=salt, max_age=max_age)), False",
            "return cls(*signing.JSONSerializer().loads(signing.b64_decode(signed.split(':')[0].encode()))), False",
        ),
        (
            "tests/test_tokens.py::test_text_signed_elsewhere_in_the_site_is_no_token",
            "s3upload/tokens.py",
            'SALT = "s3upload.token"',
            'SALT = "s3upload.policy"',
        ),
        (
            "tests/test_tokens.py::test_token_is_no_permit_and_permit_no_token",
            "s3upload/backends/filesystem.py",
            'PERMIT_SALT = "s3upload.dummy"',
            'PERMIT_SALT = "s3upload.token"',
        ),
        (
            "tests/test_presign.py::test_keys_are_under_the_prefix_and_cannot_be_guessed",
            "s3upload/backends/base.py",
            """return f"{conf.PREFIX.strip('/')}/{shortuuid.uuid()}\"""",
            """return f"{conf.PREFIX.strip('/')}/{name}\"""",
        ),
        (
            "tests/backends/test_contract.py::test_file_under_another_key_is_refused",
            "s3upload/views.py",
            "    if permit.upload_id or agreed != (",
            "    if permit.upload_id or agreed[1:] != (request.POST.get('Content-Type'), file.size) and agreed == (",
        ),
        # Another user's file, their own for ever, a field with looser rules
        (
            "tests/test_middleware.py::test_token_of_a_user_is_for_that_user",
            "s3upload/files.py",
            "if not is_owner(self.token.owner):",
            "if False:",
        ),
        (
            "tests/test_multipart.py::test_upload_of_somebody_else_is_refused",
            "s3upload/views.py",
            "if token.owner not in identities_of(request):",
            "if False:",
        ),
        (
            "tests/test_middleware.py::test_token_of_another_field_is_an_error_on_the_field",
            "s3upload/middleware.py",
            "if token.field != field_identity(name):",
            "if False:",
        ),
        (
            "tests/test_middleware.py::test_token_that_is_posted_in_two_rows_is_an_error_in_the_second",
            "s3upload/middleware.py",
            "elif uploads.has(token):",
            "elif False:",
        ),
        (
            "tests/test_middleware.py::test_expired_token_is_an_error_on_the_field",
            "s3upload/middleware.py",
            "    elif expired:",
            "    elif False:",
        ),
        (
            "tests/test_multipart.py::test_token_older_than_a_day_is_refused",
            "s3upload/views.py",
            "if expired and not may_be_expired:",
            "if False:",
        ),
        (
            "tests/test_policy.py::test_policy_lives_for_seven_days",
            "s3upload/policy.py",
            "signing.loads(signed, salt=SALT, max_age=POLICY_AGE)",
            "signing.loads(signed, salt=SALT)",
        ),
        (
            "tests/test_widgets.py::test_token_of_a_looser_form_is_refused_by_a_stricter_one",
            "s3upload/widgets.py",
            "            check_upload(data, policy)\n",
            "            pass\n",
        ),
        (
            "tests/test_widgets.py::test_token_of_another_storage_is_refused",
            "s3upload/widgets.py",
            "if storage != policy.storage:",
            "if False:",
        ),
        # More bytes, another type, another key than agreed
        (
            "tests/backends/test_contract.py::test_file_of_another_size_is_refused",
            "s3upload/backends/s3.py",
            '["content-length-range", token.size, token.size]',
            '["content-length-range", 0, 2**40]',
        ),
        (
            "tests/backends/test_contract.py::test_file_of_another_type_is_refused",
            "s3upload/backends/s3.py",
            "exact = [{name: value} for name, value in fields.items()]",
            'exact = [["starts-with", f"${name}", ""] for name in fields]',
        ),
        (
            "tests/backends/test_multipart.py::test_part_of_another_length_is_refused",
            "s3upload/backends/s3.py",
            '{"PartNumber": number, "ContentLength": token.part_length(number), **headers}',
            '{"PartNumber": number, **headers}',
        ),
        (
            "tests/test_multipart.py::test_part_of_another_length_is_noticed_at_the_end",
            "s3upload/multipart.py",
            "if not _are_agreed(token, parts, claimed):",
            "if False:",
        ),
        (
            "tests/test_files.py::test_object_that_is_not_what_was_agreed_on_is_refused",
            "s3upload/files.py",
            "if stat.size != self.token.size or stat.content_type not in expected:",
            "if False:",
        ),
        (
            "tests/test_views.py::test_dummy_refuses_another_size",
            "s3upload/views.py",
            'agreed != (request.POST.get("key"), request.POST.get("Content-Type"), file.size)',
            'agreed[:2] != (request.POST.get("key"), request.POST.get("Content-Type"))',
        ),
        # A file that turns into a script
        (
            "tests/test_policy.py::test_no_file_is_a_script_by_declaration_alone",
            "s3upload/policy.py",
            "declared in UNKNOWN_TYPES or _is_scriptable(declared) or",
            "declared in UNKNOWN_TYPES or",
        ),
        (
            "tests/test_files.py::test_page_under_another_name_is_stored_as_a_file_of_no_type",
            "s3upload/files.py",
            "            self.content_type = self.chosen.content_type\n",
            "",
        ),
        (
            "tests/test_sniffing.py::test_what_is_no_image_is_not_accepted_as_one",
            "s3upload/policy.py",
            "return self.head is None or agrees(type_, self.head)",
            "return True",
        ),
        # Swap the object between validation and save
        (
            "tests/backends/test_s3.py::test_object_swapped_for_the_copy_alone_is_not_saved",
            "s3upload/backends/s3.py",
            "if are_checksums or source.stat(key).etag != stat.etag:",
            "if False:",
        ),
        (
            "tests/backends/test_contract.py::test_read_of_an_object_that_was_replaced",
            "s3upload/backends/s3.py",
            """if answer["ETag"].strip('"') != etag:""",
            "if False:",
        ),
        (
            "tests/test_storage.py::test_nothing_that_was_set_on_the_pending_object_survives",
            "s3upload/backends/s3.py",
            'MetadataDirective="REPLACE",',
            "",
        ),
        # A path or header from a file name
        (
            "tests/test_policy.py::test_cleaned_name_has_no_path_and_is_cleaned_already",
            "s3upload/policy.py",
            'MultiPartParser.sanitize_file_name(cast("MultiPartParser", None), name) or FALLBACK_NAME',
            "name or FALLBACK_NAME",
        ),
        # The worker's time and memory
        (
            "tests/test_middleware.py::test_signed_text_longer_than_any_token_is_refused",
            "s3upload/tokens.py",
            "if len(signed) > MAX_LENGTH:",
            "if False:",
        ),
        (
            "tests/test_views.py::test_more_files_than_a_form_may_have_are_refused",
            "s3upload/views.py",
            'if conf.max_files is not None and len(body["files"]) > conf.max_files:',
            "if False:",
        ),
        (
            "tests/test_middleware.py::test_as_many_tokens_as_a_form_may_have_files",
            "s3upload/middleware.py",
            "    if conf.max_files is not None and sum(",
            "    if False and sum(",
        ),
        (
            "tests/test_multipart.py::test_more_parts_than_one_request_may_ask_for",
            "s3upload/views.py",
            "if max(len(numbers), len(checksums or ())) > MAX_PARTS:",
            "if False:",
        ),
        (
            "tests/test_images.py::test_image_is_not_read_beyond_the_limit",
            "s3upload/images.py",
            "if self._bytes_left < 0:",
            "if False:",
        ),
        (
            "tests/test_images.py::test_header_that_is_padded_is_not_read_byte_by_byte_to_its_end",
            "s3upload/images.py",
            "if self._reads_left < 0:",
            "if False:",
        ),
        # Another site, with the victim's cookies
        (
            "tests/test_views.py::test_request_of_another_site_is_refused",
            "s3upload/views.py",
            "            _check_same_origin(request)\n",
            "",
        ),
        (
            "tests/test_views.py::test_other_media_type_is_refused",
            "s3upload/views.py",
            'if request.content_type != "application/json":',
            "if False:",
        ),
        # The dummy in production
        (
            "tests/test_views.py::test_dummy_is_not_there_where_it_may_not_serve",
            "s3upload/views.py",
            "if view is None or (view is dummy_view and not conf.serves_dummy):",
            "if view is None:",
        ),
        (
            "tests/test_checks.py::test_dummy_as_default_storage_fails_the_deployment_check",
            "s3upload/checks.py",
            "    checks.register(check_dummy, Tags.security, deploy=True)\n",
            "",
        ),
        # An onlooker
        (
            "tests/test_owners.py::test_identity_is_a_digest_that_shows_nothing",
            "s3upload/owners.py",
            'return salted_hmac(SALT, f"{kind}:{value}", key, algorithm="sha256").hexdigest()[:32]',
            'return f"{kind}:{value}"',
        ),
        (
            "tests/test_owners.py::test_identity_is_keyed",
            "s3upload/owners.py",
            'salted_hmac(SALT, f"{kind}:{value}", key, algorithm="sha256").hexdigest()[:32]',
            '__import__("hashlib").sha256(f"{kind}:{value}".encode()).hexdigest()[:32]',
        ),
        (
            "tests/test_middleware.py::test_token_is_no_form_data_to_the_view",
            "s3upload/middleware.py",
            "    _remove(request, entries)\n",
            "",
        ),
        (
            "tests/test_middleware.py::test_whoever_asks_again_after_a_forged_token_gets_an_empty_form",
            "s3upload/middleware.py",
            "        _empty(request)\n        raise\n",
            "        raise\n",
        ),
    ]
)


def copy_of_checkout() -> Path:
    """Return a folder with what the tests need."""
    root = Path(tempfile.mkdtemp(prefix="defences-")) / "checkout"
    left_out = (".*", "node_modules", "_build", "__pycache__", "data")
    return Path(shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*left_out)))


def run(root: Path, *tests: str) -> tuple[int, str]:
    """Run tests on a copy; return pytest's exit status, and the end of what it said."""
    environment = {**os.environ, "LOCALSTACK_PYTHON": str(ROOT / ".venv-localstack/bin/python")}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout[-2000:] + ran.stderr[-1000:]


def fails_without(defence: Defence) -> tuple[bool, str]:
    """Return whether a defence's test fails when the defence is taken out, and what pytest said."""
    root = copy_of_checkout()
    try:
        defence.remove(root)
        status, said = run(root, defence.test)
        return status == FAILED, said
    finally:
        shutil.rmtree(root.parent)


def main(wanted: list[str]) -> int:
    chosen = [one for one in DEFENCES if not wanted or any(part in one.test for part in wanted)]
    status, said = run(ROOT, *dict.fromkeys(one.test for one in chosen))
    if status:
        print(said, "\nThe tests fail with all defences in place.", sep="\n")
        return 1
    print(f"{len(chosen)} defences; with all of them in place, their tests pass.")
    missed = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for defence, (fails, said) in zip(chosen, pool.map(fails_without, chosen), strict=True):
            missed += not fails
            print("fails without it " if fails else "DOES NOT FAIL    ", defence.path, defence.test, flush=True)
            if not fails:
                print(f"    without {defence.old!r}\n{said}")
    print(f"{len(chosen) - missed} of {len(chosen)} tests fail without their defence.")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

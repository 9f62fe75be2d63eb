from django.conf import settings
from django.core.management import BaseCommand, call_command


class Command(BaseCommand):
    help = "Make the database when it is missing, and serve the demo on 127.0.0.1."
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("port", type=int)

    def handle(self, *, port, **options):
        settings.DATA.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        store = settings.S3_ENDPOINT_URL or "a folder"
        self.stdout.write(f"Files go to {store}. The admin's user and password are: admin, admin.")
        # One process: whoever ends it ends the demo.
        call_command("runserver", f"127.0.0.1:{port}", use_reloader=False)

"""The site of the tests for a server of workers, which loads it once and forks then."""

import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.site.settings"
application = get_wsgi_application()
call_command("migrate", run_syncdb=True, verbosity=0)
# A connection must not be shared by processes.
connections.close_all()

from django.contrib.auth.hashers import make_password
from django.db import migrations


def create_admin(apps, schema_editor):
    apps.get_model("auth", "User").objects.create(
        username="admin", password=make_password("admin"), is_staff=True, is_superuser=True
    )


class Migration(migrations.Migration):
    dependencies = [
        ("showcase", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(create_admin, migrations.RunPython.noop)]

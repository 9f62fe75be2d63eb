import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UploadRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="As it was chosen.", max_length=255, verbose_name="name")),
                ("size", models.PositiveBigIntegerField(help_text="Bytes.", verbose_name="size")),
                ("content_type", models.CharField(max_length=255, verbose_name="media type")),
                ("storage", models.CharField(max_length=255, verbose_name="storage")),
                (
                    "key",
                    models.CharField(
                        db_index=True, help_text="Where it was uploaded to.", max_length=500, verbose_name="key"
                    ),
                ),
                ("pending_key", models.CharField(db_index=True, editable=False, max_length=500)),
                ("upload_id", models.TextField(editable=False)),
                ("in_place", models.BooleanField(default=False, editable=False)),
                ("registry", models.CharField(max_length=100, verbose_name="registry")),
                ("field", models.CharField(max_length=255, verbose_name="field")),
                ("instance_id", models.TextField(blank=True, verbose_name="instance")),
                ("input_name", models.CharField(editable=False, max_length=255)),
                ("owner_identity", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Pending"), ("stored", "Stored"), ("failed", "Failed")],
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "stored_as",
                    models.TextField(
                        blank=True,
                        help_text="Or, where that failed, was to be stored as.",
                        verbose_name="stored as",
                    ),
                ),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("etag", models.CharField(blank=True, editable=False, max_length=255)),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="begun")),
                ("changed", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "upload",
                "verbose_name_plural": "uploads",
                "ordering": ["-created", "-pk"],
                "indexes": [models.Index(fields=["state", "created"], name="s3upload_record_state")],
            },
        ),
    ]

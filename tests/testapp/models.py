import uuid

from django.core.files.storage import storages
from django.core.signals import setting_changed
from django.db import models
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from s3upload.async_uploads.fields import AsyncFileField, AsyncImageField
from s3upload.async_uploads.registry import AsyncFieldRegistry


class ArchiveStorage(LazyObject):
    """STORAGES["archive"], looked up again when a test changes the setting."""

    def _setup(self):
        self._wrapped = storages["archive"]


archive = ArchiveStorage()


@receiver(setting_changed)
def forget_archive(*, setting, **kwargs):
    if setting in {"STORAGES", "MEDIA_ROOT"}:
        archive._wrapped = empty


def archive_storage():
    return archive


class Document(models.Model):
    title = models.CharField(max_length=100)
    file = models.FileField(upload_to="documents/")

    def __str__(self):
        return self.title


class OptionalDocument(models.Model):
    title = models.CharField(max_length=100)
    file = models.FileField(upload_to="optional/", blank=True)


class Picture(models.Model):
    title = models.CharField(max_length=100)
    image = models.ImageField(upload_to="pictures/", width_field="width", height_field="height")
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)


class Gallery(models.Model):
    title = models.CharField(max_length=100)

    class Meta:
        verbose_name_plural = "galleries"

    def __str__(self):
        return self.title


class GalleryImage(models.Model):
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="images")
    image = models.ImageField(upload_to="gallery/")
    caption = models.CharField(max_length=100, blank=True)


class Record(models.Model):
    """A model whose files go to a storage of their own."""

    file = models.FileField(upload_to="records/", storage=archive_storage)


class Attachment(models.Model):
    """One of several files that are chosen in one field."""

    document = models.ForeignKey(Document, null=True, on_delete=models.CASCADE, related_name="attachments")
    file = models.FileField(upload_to="attachments/")


other_registry = AsyncFieldRegistry("other")


def is_owner(user, instance):
    return user.is_authenticated and (instance is None or instance.owner_id == user.pk)


class Contract(models.Model):
    """A model with two async fields, under Django's own permissions."""

    title = models.CharField(max_length=100)
    text = AsyncFileField(
        upload_to="contracts/",
        blank=True,
        max_size=30 * 1024**2,
        file_restrictions=["text/plain", "pdf"],
        download_params={"expire": 60, "parameters": {"cache_control": "private, max-age=60"}},
    )
    seal = AsyncImageField(upload_to="seals/", blank=True, width_field="width", height_field="height")
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)

    def __str__(self):
        return self.title


class SignedContract(Contract):
    """A child in a table of its own."""

    place = models.CharField(max_length=100, blank=True)


class ContractProxy(Contract):
    class Meta:
        proxy = True


class Note(models.Model):
    """Belongs to who wrote it; anyone may read. Has a registry and a storage of its own."""

    # Without a constraint: apps without migrations get their tables before those with, and PostgreSQL minds.
    owner = models.ForeignKey("auth.User", null=True, on_delete=models.CASCADE, db_constraint=False)
    file = AsyncFileField(
        upload_to="notes/",
        storage=archive_storage,
        perm_create=is_owner,
        perm_update=is_owner,
        perm_detail=None,
        async_field_registry=other_registry,
    )


def place_of_parcel(parcel, name):
    return f"parcels/{len(parcel.pk)}/{name}"


class Parcel(models.Model):
    """Has any text as primary key; anyone may do all with it."""

    code = models.CharField(max_length=600, primary_key=True)
    label = AsyncFileField(
        upload_to=place_of_parcel,
        blank=True,
        max_length=1000,
        perm_create=None,
        perm_update=None,
        perm_detail=None,
        download_params={"parameters": {"content_disposition": "inline"}},
    )


class Ticket(models.Model):
    """Has a UUID as primary key, and little room for a name that no other one may have."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    file = AsyncFileField(upload_to="t/", max_length=30, unique=True)

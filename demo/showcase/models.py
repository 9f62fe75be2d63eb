from django.core.validators import MinLengthValidator
from django.db import models


class Saved(models.Model):
    """What the demo's list of saved files shows of each."""

    size = models.PositiveBigIntegerField(editable=False)
    saved_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self):
        return self.file.name.rpartition("/")[2]

    def save(self, *args, **kwargs):
        self.size = self.file.size
        super().save(*args, **kwargs)


class Document(Saved):
    file = models.FileField(upload_to="documents/")


class Picture(Saved):
    # Checked by the server alone, to show what becomes of the upload then.
    caption = models.CharField(max_length=100, blank=True, validators=[MinLengthValidator(3)])
    file = models.ImageField(upload_to="pictures/", width_field="width", height_field="height")
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)


class Album(models.Model):
    title = models.CharField(max_length=100)

    def __str__(self):
        return self.title


class AlbumPicture(Saved):
    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="pictures")
    file = models.ImageField(upload_to="albums/", width_field="width", height_field="height")
    caption = models.CharField(max_length=100, blank=True)
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)

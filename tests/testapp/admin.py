from django.contrib import admin

from tests.testapp import models


class GalleryImageInline(admin.TabularInline):
    model = models.GalleryImage
    extra = 1


@admin.register(models.Gallery)
class GalleryAdmin(admin.ModelAdmin):
    inlines = [GalleryImageInline]


admin.site.register([models.Document, models.OptionalDocument, models.Picture, models.Record])
admin.site.register([models.Contract, models.Note, models.Parcel, models.Ticket])

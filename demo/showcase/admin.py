from django.contrib import admin

from showcase import models


class AlbumPictureInline(admin.TabularInline):
    model = models.AlbumPicture
    extra = 1


@admin.register(models.Album)
class AlbumAdmin(admin.ModelAdmin):
    inlines = [AlbumPictureInline]


admin.site.register([models.Document, models.Picture])

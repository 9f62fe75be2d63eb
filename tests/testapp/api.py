"""An API as sites have them: serializers and views that know nothing of direct uploads."""

from django.core.files.storage import default_storage
from django.core.validators import FileExtensionValidator
from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework import generics, parsers, permissions, renderers, serializers, viewsets
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from s3upload.rest_framework import SERIALIZER_FIELDS, AsyncFileField
from s3upload.validators import FileSizeValidator
from tests.testapp import models


class DocumentSerializer(serializers.ModelSerializer):
    class Meta:
        model = models.Document
        fields = ["id", "title", "file"]


class PictureSerializer(serializers.ModelSerializer):
    class Meta:
        model = models.Picture
        fields = ["id", "title", "image", "width", "height"]


class RecordSerializer(serializers.ModelSerializer):
    class Meta:
        model = models.Record
        fields = ["id", "file"]


class GalleryImageSerializer(serializers.ModelSerializer):
    class Meta:
        model = models.GalleryImage
        fields = ["image", "caption"]


class GallerySerializer(serializers.ModelSerializer):
    images = GalleryImageSerializer(many=True)

    class Meta:
        model = models.Gallery
        fields = ["title", "images"]

    def create(self, validated_data):
        images = validated_data.pop("images")
        gallery = super().create(validated_data)
        for image in images:
            gallery.images.create(**image)
        return gallery


class LimitedSerializer(serializers.Serializer):
    file = serializers.FileField(
        max_length=20, validators=[FileExtensionValidator(["pdf", "txt"]), FileSizeValidator(1000)]
    )


class AcceptSerializer(serializers.Serializer):
    file = serializers.FileField(style={"accept": "application/pdf"}, allow_empty_file=True)


class SeveralSerializer(serializers.Serializer):
    files = serializers.ListField(child=serializers.FileField(), max_length=3)


class SeveralLimitedSerializer(serializers.Serializer):
    files = serializers.ListField(child=serializers.FileField(validators=[FileExtensionValidator(["txt"])]))


class PersonSerializer(serializers.Serializer):
    photo = serializers.FileField(required=False, allow_null=True)


class ProfileSerializer(serializers.Serializer):
    author = PersonSerializer()


class AsyncModelSerializer(serializers.ModelSerializer):
    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, **SERIALIZER_FIELDS}


class ContractSerializer(AsyncModelSerializer):
    class Meta:
        model = models.Contract
        fields = ["id", "title", "text", "seal"]


class NoteSerializer(AsyncModelSerializer):
    class Meta:
        model = models.Note
        fields = ["id", "file"]


class FolderSerializer(serializers.Serializer):
    contracts = ContractSerializer(many=True)

    def create(self, validated_data):
        return {"contracts": [models.Contract.objects.create(**one) for one in validated_data["contracts"]]}


class AttachSerializer(serializers.Serializer):
    """Has no model: the field says which one its files are for."""

    text = AsyncFileField(model_field=models.Contract._meta.get_field("text"))

    def create(self, validated_data):
        return models.Contract.objects.create(title="attached", **validated_data)


class ContractViewSet(viewsets.ModelViewSet):
    queryset = models.Contract.objects.order_by("id")
    serializer_class = ContractSerializer
    permission_classes = [permissions.DjangoModelPermissions]


class FolderCreate(generics.CreateAPIView):
    serializer_class = FolderSerializer


class AttachCreate(generics.CreateAPIView):
    serializer_class = AttachSerializer


class DocumentViewSet(viewsets.ModelViewSet):
    queryset = models.Document.objects.order_by("id")
    serializer_class = DocumentSerializer


class PictureCreate(generics.CreateAPIView):
    serializer_class = PictureSerializer


class RecordCreate(generics.CreateAPIView):
    serializer_class = RecordSerializer


class GalleryCreate(generics.CreateAPIView):
    serializer_class = GallerySerializer


class Save(generics.GenericAPIView):
    """Saves the files of a serializer that has no model, and tells the names that they have then."""

    def post(self, request):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(
            {
                "saved": [
                    default_storage.save(f"plain/{file.name}", file) for file in files_in(serializer.validated_data)
                ]
            }
        )


def files_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [file for one in value for file in files_in(one)]
    return [value] if hasattr(value, "chunks") else []


class Look(APIView):
    """Tells what arrived, without a serializer."""

    parser_classes = [parsers.JSONParser, parsers.MultiPartParser, parsers.FormParser]
    renderer_classes = [renderers.JSONRenderer]

    def post(self, request):
        return Response({"data": described(request.data), "files": described(dict(request.FILES.lists()))})


class Read(Look):
    """Looks at a file where no field has done so."""

    def post(self, request):
        return Response({"size": request.data["file"].size})


class Delegate(Look):
    """Hands the request on to another view, when it has looked at it."""

    def post(self, request):
        assert request.data
        return Look.as_view()(request._request)


def described(value):
    if isinstance(value, dict):
        return {key: described(one) for key, one in value.items()}
    if isinstance(value, list):
        return [described(one) for one in value]
    return f"<{value.name}>" if hasattr(value, "chunks") else value


router = SimpleRouter()
router.register("documents", DocumentViewSet)
router.register("contracts", ContractViewSet)

urlpatterns = [
    *router.urls,
    path("folders/", FolderCreate.as_view()),
    path("attach/", AttachCreate.as_view()),
    path("pictures/", PictureCreate.as_view()),
    path("records/", RecordCreate.as_view()),
    path("galleries/", GalleryCreate.as_view()),
    path("limited/", Save.as_view(serializer_class=LimitedSerializer)),
    path("accept/", Save.as_view(serializer_class=AcceptSerializer)),
    path("several/", Save.as_view(serializer_class=SeveralSerializer)),
    path("several-limited/", Save.as_view(serializer_class=SeveralLimitedSerializer)),
    path("profiles/", Save.as_view(serializer_class=ProfileSerializer)),
    path("look/", Look.as_view()),
    path("read/", Read.as_view()),
    path("delegate/", Delegate.as_view()),
    path("schema/", SpectacularAPIView.as_view()),
]

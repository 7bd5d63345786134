"""Migrates an in-memory database and asks one view, in a Django project of one file."""

import sys

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for nobody",
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models are there only after setup()
from django.core.management import call_command  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402


def users(request):
    return JsonResponse({"users": list(User.objects.order_by("username").values_list("username", flat=True))})


urlpatterns = [path("users/", users)]

if __name__ == "__main__":
    call_command("migrate", verbosity=0, stdout=sys.stdout)
    for name in ("tove", "edith"):
        User.objects.create(username=name)
    answer = Client().get("/users/")
    print(answer.status_code, answer.json())

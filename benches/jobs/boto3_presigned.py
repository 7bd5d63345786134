"""Signs the address of an object of S3 with boto3, offline."""

import boto3
from botocore.config import Config

client = boto3.client(
    "s3",
    region_name="eu-north-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    config=Config(signature_version="s3v4"),
)
url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "some/thing"}, ExpiresIn=60)
place, _, query = url.partition("?")
print(place, sorted(item.partition("=")[0] for item in query.split("&")))

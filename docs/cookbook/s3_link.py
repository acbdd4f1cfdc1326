"""A link to an object in S3 that anybody may open for an hour. Nothing is sent.

python s3_link.py my-bucket taxes/2025.pdf
"""

import sys

from arcrun import auth

bucket, key = sys.argv[1:]
print(auth.presigned_url("aws_s3", f"/{bucket}/{key}", expires=3600))

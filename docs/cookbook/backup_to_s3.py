"""Back a folder up to S3: what is new or changed goes up, nothing is deleted.

python backup_to_s3.py ~/Documents/taxes my-bucket
"""

import hashlib
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from arcrun import auth

source, bucket = Path(sys.argv[1]).resolve(), sys.argv[2]
there, params = {}, {"list-type": 2, "prefix": f"{source.name}/"}

with auth.bind("aws_s3") as s3:
    while True:
        answer = s3.get(f"/{bucket}", params=params).raise_for_status()
        page = ET.fromstring(answer.content)
        for item in page.findall("{*}Contents"):
            there[item.findtext("{*}Key")] = item.findtext("{*}ETag").strip('"')
        if not (token := page.findtext("{*}NextContinuationToken")):
            break
        params["continuation-token"] = token

    for path in sorted(path for path in source.iterdir() if path.is_file()):
        key, content = f"{source.name}/{path.name}", path.read_bytes()
        if there.get(key) != hashlib.md5(content).hexdigest():
            s3.put(f"/{bucket}/{key}", content=content).raise_for_status()
            print("uploaded", path.name)

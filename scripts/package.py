"""Zips a Lambda binary as `bootstrap`: the same bytes in, the same bytes out. Refuses one that AWS Lambda cannot start.

usage: package.py BINARY ZIP
"""

import hashlib
import pathlib
import re
import sys
import zipfile

# Amazon Linux 2023, on which `provided.al2023` is based, has this glibc.
GLIBC = (2, 34)


def main(binary: str, archive: str) -> None:
    content = pathlib.Path(binary).read_bytes()
    # The names of the symbol versions that a dynamic binary needs stand in its string table.
    versions = {tuple(map(int, version)) for version in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", content)}
    newest = max(versions, default=(0, 0))
    if newest > GLIBC:
        sys.exit(f"{binary} needs glibc {newest[0]}.{newest[1]}; Amazon Linux 2023 has {GLIBC[0]}.{GLIBC[1]}")

    member = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    member.external_attr = 0o100755 << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(archive, "w", compresslevel=9) as out:
        out.writestr(member, content)
    zipped = pathlib.Path(archive).read_bytes()
    digest = hashlib.sha256(zipped).hexdigest()
    print(f"{archive}: {len(zipped):,} bytes (bootstrap {len(content):,}, glibc {newest[0]}.{newest[1]}), sha256 {digest}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

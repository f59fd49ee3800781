#!/bin/sh
# strip.sh VENV: takes out of an installed PHFS what it never uses, and proves that it still starts.
set -eu
venv=$1
site=$(echo "$venv"/lib/python3*/site-packages)

# botocore describes four hundred services; keys come from these, and S3 is one of them.
for service in "$site"/botocore/data/*/; do
    case $(basename "$service") in
    s3 | sts | sso | sso-oidc | signin) ;;
    *) rm -r "$service" ;;
    esac
done
rm -rf "$site"/boto3/examples "$site"/boto3/data/[a-rt-z]*
find "$site" -depth -type d \( -name tests -o -name _tests -o -name test -o -name SelfTest \) -exec rm -r {} +
find "$site" \( -name '*.pyi' -o -name '*.pyx' -o -name '*.c' -o -name '*.h' \) -delete
find "$site" -name '*.so' -exec strip --strip-unneeded {} +

"$venv"/bin/phfs-mount --version
"$venv"/bin/python -c 'import phfs.mount, boto3; boto3.client("s3", region_name="x"); boto3.client("sts", region_name="x")'

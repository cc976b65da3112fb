#!/usr/bin/env bash
# Sees that there is what tests/html.rs opens the HTML report with: Chromium, its driver, and pdftotext. What is missing
# is installed with apt-get, as root or by sudo. Does nothing if all is there; may run twice at once.
set -euo pipefail

# The font is for the picture in docs/: without it the page takes the next of its list.
packages=(chromium chromium-driver poppler-utils fonts-liberation)
programs=(chromium chromedriver pdftotext)

target=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)/target
mkdir -p "$target"
exec 9>"$target/browser.lock"
flock 9

missing() {
    local program
    for program in "${programs[@]}"; do
        command -v "$program" >/dev/null || echo "$program"
    done
}
if [[ -z $(missing) ]]; then
    exit 0
fi

root=()
if [[ $(id -u) != 0 ]]; then
    root=(sudo --non-interactive)
fi
apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --option DPkg::Lock::Timeout=300 "$@" >&2
}
echo "setup.sh: installing ${packages[*]}" >&2
if ! command -v apt-get >/dev/null || ! apt update || ! apt install --yes --no-install-recommends "${packages[@]}" ||
    [[ -n $(missing) ]]; then
    echo "setup.sh: $(missing | xargs) not found, and the packages cannot be installed here:" \
        "install ${packages[*]} (their names in Debian), then try again" >&2
    exit 1
fi

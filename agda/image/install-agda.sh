#!/bin/sh
# Customise hook of mmdebstrap: install-agda.sh VERSION ROOT puts Agda alone, its library compiled, into a root file system.
set -eu
version=$1
root=$2

# libghc-agda-dev, which agda-bin names as a dependency, is for programs that link Agda; it would bring all of GHC.
# shellcheck disable=SC2016 # the script runs inside the root
chroot "$root" sh -euc '
    mkdir -p /proofs /usr/share/agda
    cd /usr/share/agda
    apt-get download -q "agda-bin=$1"
    dpkg --force-depends -i ./*.deb
    rm ./*.deb
    export HOME=/usr/share/agda Agda_datadir=/usr/share/agda
    agda --setup
    cd lib/prim
    # Interfaces must be there already: a read-only root cannot take them.
    find Agda -name "*.agda" -not -path "*/Cubical/*" -not -name "Erase.agda" | LC_ALL=C sort | while read -r module; do
        agda --no-libraries "$module" >/dev/null
    done
    dpkg-query -W -f "\${Package} \${Version}\n" >/usr/share/agda/installed
    while read -r name found; do
        printf "%s %s %s\n" "$name" "$found" \
            "$(apt-cache show "$name=$found" | sed -n "s/^SHA256: //p" | head -n 1)"
    done </usr/share/agda/installed >/usr/share/agda/packages.lock
    rm /usr/share/agda/installed
' sh "$version"

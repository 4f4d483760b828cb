#!/usr/bin/env bash
# release.sh DIR: what a release is made of, in DIR: a tarball with a static binary, man pages and completions; a .deb; a list of all that is
# compiled in (CycloneDX); and the checksums. cargo-deb and cargo-cyclonedx are installed if they are missing.
# CONEY_STATIC, if it is set, is the static binary to take instead of building one. CONEY_FEATURES=cluster makes a release with that feature, whose
# files and package are called coney-cluster.
# release.sh --tools: installs those two and does nothing else.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
out=${1:?a directory}
tool() { # SUBCOMMAND CRATE VERSION
  cargo "$1" --version >/dev/null 2>&1 || cargo install --quiet --debug --locked "$2@$3"
}
tool deb cargo-deb 3.8.0
tool cyclonedx cargo-cyclonedx 0.5.9
[[ $out != --tools ]] || exit 0
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$root"

version=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"name":"coney","version":"\([^"]*\)".*/\1/')
triple=$(rustc -vV | sed -n 's/^host: //p')
shims=(rabbitmq-server rabbitmqctl rabbitmq-diagnostics rabbitmq-plugins rabbitmq-queues rabbitmq-upgrade rabbitmqadmin)

static=${CONEY_STATIC:-}
[[ $static ]] || static=$("$here/static.sh")
# Where cargo-deb looks for what it packs.
mkdir -p target/packaging
install -m 0755 "$static" target/packaging/coney
"$here/assets.sh" target/packaging/coney target/packaging
# RabbitMQ's commands, as links to what is in /usr/bin there.
links=target/packaging/tree/usr/lib/coney/bin
rm -rf target/packaging/tree
mkdir -p "$links" target/packaging/tree/usr/bin
ln target/packaging/coney target/packaging/tree/usr/bin/coney
for shim in "${shims[@]}"; do
  ln -s ../../../bin/coney "$links/$shim"
done
gzip --force --keep --no-name --best target/packaging/man/*.1

variant=${CONEY_FEATURES:-}
name=coney${variant:+-$variant}-$version-$triple
tree=target/packaging/$name
rm -rf "$tree"
mkdir -p "$tree/bin"
install -m 0755 target/packaging/coney "$tree/bin/"
for shim in "${shims[@]}"; do
  ln -s coney "$tree/bin/$shim"
done
cp -r target/packaging/completions packaging/systemd README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT docs "$tree/"
mkdir "$tree/man"
cp target/packaging/man/*.1 "$tree/man/"
tar -C target/packaging --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"

cargo deb ${variant:+--variant "$variant"} --no-build --no-strip --quiet --output "$out/"
cargo cyclonedx --quiet --format json ${CONEY_FEATURES:+--features "$CONEY_FEATURES"} --no-build-deps --override-filename coney-sbom
mv coney-sbom.json "$out/$name.cdx.json"
rm -f conformance/coney-sbom.json malloc-trim/coney-sbom.json
(cd "$out" && sha256sum -- *.tar.gz *.deb *.cdx.json >SHA256SUMS)
ls -l "$out"

#!/bin/sh
# Puts what `./just release` has built into an archive, and into an image where a container
# engine is, and lists what is in them.
set -eu
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host=$(rustc -vV | sed -n 's/^host: //p')
name=flash-sale-$version-$host
built=${CARGO_TARGET_DIR:-target}/release
dist=target/dist
rm -rf "${dist:?}/$name" "$dist/$name.tar.gz"
mkdir -p "$dist/$name/bin" "$dist/$name/licences"

# `lab bench` looks for static-route beside it. `learn` is there where the workshop is.
for program in server lab static-route learn; do
    [ ! -x "$built/$program" ] || cp "$built/$program" "$dist/$name/bin/"
done
cp -R LICENSE-MIT LICENSE-APACHE CHANGELOG.md SECURITY.md migrations "$dist/$name/"
cp -R docs/OPERATIONS.md docs/alerts.yml docs/proxies "$dist/$name/"

# Whoever passes on a program passes on the licences of what it is linked from.
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
cargo tree --workspace --locked --edges normal --prefix none --format '{p}|{l}' |
    grep -v "$(printf '(%s' "$PWD" | sed 's/[.[*^$]/\\&/g')" | sed 's/ (\*)$//; s/ (proc-macro)//; /^$/d' | sort -u |
    while IFS='|' read -r package licence; do
        crate=${package% v*} number=${package##* v}
        printf '%s %s: %s\n' "$crate" "$number" "$licence"
        find "$registry"/*/"$crate-$number" -maxdepth 1 -type f \( -iname 'licen[cs]e*' \
            -o -iname 'copying*' -o -iname 'notice*' -o -iname 'unlicense*' \) |
            while IFS= read -r text; do
                cp "$text" "$dist/$name/licences/$crate-$number-${text##*/}"
            done
    done >"$dist/$name/licences/LIST"

tar -C "$dist" -czf "$dist/$name.tar.gz" "$name"
echo "$dist/$name.tar.gz, $(wc -c <"$dist/$name.tar.gz") bytes:"
tar -tzvf "$dist/$name.tar.gz" | grep -v '/licences/.' | grep -v '/$'
echo "licences of $(wc -l <"$dist/$name/licences/LIST") dependencies in $(find "$dist/$name/licences" -type f | wc -l) files"
rm -r "${dist:?}/$name"

if ! docker info >/dev/null 2>&1; then
    echo "No image: no container engine answers."
    exit
fi
DOCKER_BUILDKIT=1 docker build --quiet --tag "flash-sale:$version" . >/dev/null
echo "flash-sale:$version:"
docker image inspect --format '{{.Size}} bytes, {{.Os}}/{{.Architecture}}, user {{.Config.User}}
runs {{.Config.Entrypoint}} {{.Config.Cmd}}, listens on {{range $port, $_ := .Config.ExposedPorts}}{{$port}}{{end}}
health: {{if .Config.Healthcheck}}asked every {{.Config.Healthcheck.Interval}}{{else}}not asked{{end}}' "flash-sale:$version"
docker run --rm "flash-sale:$version" --version
docker run --rm --entrypoint find "flash-sale:$version" /usr/local/bin /usr/share/doc/flash-sale -type f -size +0

#!/bin/sh
# Builds kube-apiserver and kubectl from their Go modules into a folder: ten minutes the first time, then nothing.
# Their release binaries are on a host that not every machine reaches; the modules come from Go's own proxy.
#   build.sh FOLDER
set -eu
release=36.3
out=$1
[ -x "$out/kube-apiserver" ] && [ -x "$out/kubectl" ] && exit 0
mkdir -p "$out/src"
cd "$out/src"
mod=$(go mod download -json "k8s.io/kubernetes@v1.$release" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
# Kubernetes replaces its staging modules by folders of its repository; those published carry the same release.
{
    printf 'module apiserver\n\n%s\n\nrequire k8s.io/kubernetes v1.%s\n\nreplace (\n' "$(grep '^go ' "$mod")" "$release"
    sed -n "s|^[[:space:]]*\(k8s.io/[a-z-]*\) => ./staging/.*|\t\1 => \1 v0.$release|p" "$mod"
    printf ')\n\ntool (\n\tk8s.io/kubernetes/cmd/kube-apiserver\n\tk8s.io/kubernetes/cmd/kubectl\n)\n'
} >go.mod
export GOFLAGS='-mod=mod -buildvcs=false'
go mod tidy
version=k8s.io/component-base/version
flags="-s -w -X $version.gitVersion=v1.$release -X $version.gitMajor=1 -X $version.gitMinor=${release%.*}"
nice -n 15 go build -p 2 -ldflags "$flags" -o "$out/" k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl

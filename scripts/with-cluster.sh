#!/bin/sh
# usage: with-cluster.sh NAME COMMAND...
# Runs the command with KUBECONFIG of an embedded control plane (no node) of that
# name, and removes the cluster again, whatever happens.
set -u
name=$1
shift
cluster=$(dirname "$0")/cluster/embedded-cluster
trap 'exit 130' INT TERM
trap '"$cluster" down --name "$name"' EXIT
"$cluster" up --control-plane-only --name "$name" >/dev/null || exit 1
KUBECONFIG=$("$cluster" kubeconfig --name "$name")
export KUBECONFIG
"$@"

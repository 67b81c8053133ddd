#!/bin/sh
# Loads a server by h2load: h2load.sh URL. The server has the pools of `procpool serve`.
set -eu
jobs=$1/v1/pools/fib/jobs
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
printf 20 >"$scratch/body"

# load NAME NUMBER OPTIONS…
load() {
  name=$1 number=$2
  shift 2
  # Each connection has its thread here: some versions lose count of streams where several share one.
  said=$(h2load --data "$scratch/body" --header 'content-type: application/json' -n "$number" "$@" "$jobs")
  wanted="requests: $number total, $number started, $number done, $number succeeded, 0 failed, 0 errored, 0 timeout"
  printf '%s\n' "$said" | grep -qF "$wanted" || { printf 'not ok: %s\n%s\n' "$name" "$said" >&2; exit 1; }
  printf '%s\n' "$said" | grep -qF "status codes: $number 2xx, 0 3xx, 0 4xx, 0 5xx" ||
    { printf 'not ok: %s\n%s\n' "$name" "$said" >&2; exit 1; }
  printf 'ok: %s\n' "$name"
}

load 'HTTP/2, eight connections of sixteen streams' 4000 -c 8 -m 16
load 'HTTP/2, one connection of a hundred streams' 2000 -c 1 -m 100
load 'HTTP/1.1, thirty-two connections' 2000 -c 32 --h1

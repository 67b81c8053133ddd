#!/bin/sh
# Drives a server by curl: curl.sh URL. The server has the pools of `procpool serve`.
set -eu
url=$1
fib=$url/v1/pools/fib
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

# same NAME EXPECTED GOT
same() {
  [ "$2" = "$3" ] || { printf 'not ok: %s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3" >&2; exit 1; }
  printf 'ok: %s\n' "$1"
}
get() { curl --silent --show-error --max-time 120 "$@"; }
# Returns the member of a flat JSON object, a number or a string.
member() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
accepted() { get "$fib" | member accepted; }

same 'a job over HTTP/1.1' 102334155 "$(get -d 40 "$fib/jobs")"
same 'a job over cleartext HTTP/2' 102334155 "$(get --http2-prior-knowledge -d 40 "$fib/jobs")"
same 'two jobs over one connection' '55 6765' "$(get -d 10 "$fib/jobs" -w ' ' --next -sS -d 20 "$fib/jobs")"
same 'a job with its type' '"pong"' "$(get --json '"ping"' "$url/v1/pools/ping/jobs")"
same 'an input in pieces' 55 "$(printf 10 | get -H 'Transfer-Encoding: chunked' -H 'Content-Type: application/json' \
  --data-binary @- "$fib/jobs")"
same 'a client that asks before it sends' 55 "$(get -H 'Expect: 100-continue' -d 10 "$fib/jobs")"

problem='%{http_code} %{content_type}'
same 'a job that fails is a problem' '422 application/problem+json' \
  "$(get -o /dev/null -w "$problem" -d 94 "$fib/jobs")"
same 'a job that is late is a problem' '504 application/problem+json' \
  "$(get -o /dev/null -w "$problem" -d 93 "$fib/jobs?timeout=100ms")"
same 'a pool that is not there is a problem' '404 application/problem+json' \
  "$(get -o /dev/null -w "$problem" -d 1 "$url/v1/pools/none/jobs")"
same 'curl -f notices it' 22 "$(get -f -o /dev/null -d 94 "$fib/jobs" 2>/dev/null || echo $?)"
same 'a probe' OK "$(get "$url/livez")"

get -D "$scratch/head" -o "$scratch/job" -H 'Prefer: respond-async' -d 40 "$fib/jobs"
same 'a job that is handed over' 'HTTP/1.1 202 Accepted' "$(head -n 1 "$scratch/head" | tr -d '\r')"
job=$url$(sed -n 's/^location: *//p' "$scratch/head" | tr -d '\r')
get --no-buffer "$job/events" >"$scratch/events"
same 'its events' 'state outcome' "$(sed -n 's/^event: //p' "$scratch/events" | uniq | tr '\n' ' ' | sed 's/ $//')"
same 'its result' 102334155 "$(get "$job/result")"
same 'its record' 'finished ok' "$(get "$job" | member state) $(get "$job" | member outcome)"
same 'a record that is known' 304 \
  "$(get -o /dev/null -w '%{http_code}' -H "If-None-Match: $(get -o /dev/null -w '%header{etag}' "$job")" "$job")"
same 'a job that is not there' '404 application/problem+json' \
  "$(get -o /dev/null -w "$problem" "$url/v1/jobs/00000000000000000000000000000000")"

ok() { grep -c '"outcome":"ok","output":6765'; }
same 'a batch that is read while it is sent' 20000 "$(yes 20 | head -20000 | get -T - -X POST "$fib/batch" | ok)"
same 'a batch over HTTP/2' 5000 "$(yes 20 | head -5000 | get --http2-prior-knowledge -T - -X POST "$fib/batch" | ok)"
same 'a batch of a file' '2 bad_input' "$(printf '20\n{\n' | get --data-binary @- "$fib/batch" |
  sed -n 's/{"line":\([0-9]*\),"outcome":"\([a-z_]*\)",.*/\1 \2/p' | tail -1)"
same 'a job that is read as it runs' 'state state outcome' \
  "$(get -H 'Accept: text/event-stream' -d 20 "$fib/jobs" | sed -n 's/^event: //p' | xargs)"

before=$(accepted)
# One write for each answer, so that they do not mix.
keyed='printf "%s\n" "$(curl --silent --show-error --max-time 120 -H "Idempotency-Key: \"a-key\"" -H "Prefer: wait=20" -d 38 "$1")"'
seq 50 | xargs -P 50 -n 1 sh -c "$keyed" sh "$fib/jobs" >"$scratch/answers"
same 'fifty clients with one key have one answer' '50 39088169' "$(sort "$scratch/answers" | uniq -c | xargs)"
same 'and their job ran once' $((before + 1)) "$(accepted)"
same 'another job under that key' '422 application/problem+json' \
  "$(get -o /dev/null -w "$problem" -H 'Idempotency-Key: "a-key"' -d 1 "$fib/jobs")"

# What the check.sh of the examples have in common. Each reads it:
#   . "$(dirname "$0")/../check-lib.sh"
# and then says what it found: whether a step differed stands in $failed.
ISTHMUS=${ISTHMUS:-npx isthmus}
failed=0
trap 'exit 1' INT TERM

# step NAME EXPECTED ACTUAL: whether a step gave what it should.
step() {
  if [ "$2" = "$3" ]; then
    echo "ok    $1"
  else
    failed=1
    printf 'FAIL  %s\n      expected: %s\n      got:      %s\n' "$1" "$2" "$3"
  fi
}

# Whether a text has another in it.
has() {
  case $1 in *"$2"*) echo yes ;; *) echo "no: $1" ;; esac
}

# eventually EXPECTED COMMAND: what the command prints, when that is what is expected, or after half a minute.
eventually() {
  wanted=$1
  shift
  tries=0
  while got=$("$@" || true) && [ "$got" != "$wanted" ] && [ "$tries" -lt 30 ]; do
    tries=$((tries + 1))
    sleep 1
  done
  echo "$got"
}

# find_gateway EXAMPLE: sets $address and $port to where the gateway's port 443 is published, or ends with 1.
find_gateway() {
  gateway=$($ISTHMUS status | awk '$1 == "istio-ingressgateway" && $2 == 443 { sub("https://", "", $3); print $3 }')
  if [ -z "$gateway" ]; then
    echo "FAIL  no mesh with a gateway on port 443 runs: start it with \"isthmus up examples/$1\""
    exit 1
  fi
  address=${gateway%:*}
  port=${gateway##*:}
}

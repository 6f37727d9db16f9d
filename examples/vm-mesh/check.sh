#!/bin/sh
# Checks the walk of README.md against the running mesh of this folder: "ok" for each thing that is as it says, or what
# differs. The proxies of the virtual machines are started for as long as it takes, where they do not run.
#
# ISTHMUS  how isthmus is run (npx isthmus)
set -u
cd "$(dirname "$0")" || exit 1
: "${ISTHMUS:=npx isthmus}"
failed=0
started=
trap 'for pid in $started; do kill "$pid" 2>/dev/null; done; wait' EXIT

[ -f .local/vm1/envoy.yaml ] || { echo "run set-up.sh before isthmus up"; exit 1; }

# Where a bootstrap listens: after "admin:", or after "  listeners:"
address() {
  sed -n "/^$2:/,/port_value/ { s/.* address: //p; s/.*port_value: //p; }" "$1" | tr '\n' ':' | sed 's/:$//; s/^0\.0\.0\.0/localhost/'
}
vm=$(address .local/vm1/envoy.yaml "  listeners")
foreign=$(address .local/foreign/envoy.yaml "  listeners")

ask() { curl -s -m 10 --noproxy '*' "$@"; }

# check NAME EXPECTED ACTUAL
check() {
  if [ "$2" = "$3" ]; then
    echo "ok: $1"
  else
    printf 'differs: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
    failed=1
  fi
}

for machine in vm1 foreign; do
  admin=$(address .local/$machine/envoy.yaml admin)
  if [ "$(ask "http://$admin/ready")" != LIVE ]; then
    $ISTHMUS proxy -c .local/$machine/envoy.yaml >.local/$machine/proxy.log 2>&1 &
    started="$started $!"
    tries=0
    until [ "$(ask "http://$admin/ready")" = LIVE ] || [ $tries -ge 100 ]; do
      tries=$((tries + 1))
      sleep 0.2
    done
  fi
done

names=$($ISTHMUS proxy-config listener deploy/istio-eastwestgateway -n istio-system --port 15443 |
  sed -n 's/.*SNI: \(outbound_[^;]*\).*/\1/p' | grep -v istio-system | sort | tr '\n' ' ')
check "the gateway knows every service by its server name" \
  "outbound_.50051_._.fortune-teller.fortune-teller.svc.cluster.local outbound_.80_._.frontend.simple-app.svc.cluster.local " \
  "$names"

check "the frontend answers, and its sidecar has seen who asks" \
  "frontend: GET /frontend, asked by spiffe://vms.example.com/vm1" "$(ask "http://$vm/frontend")"

check "JSON of a gRPC service" \
  '{"userId":"solo","fortune":{"text":"A letter will find you.","mood":"GOOD"},"fortuneCount":5}' \
  "$(ask "http://$vm/v1/fortune/solo" | tr -d '\n' | sed 's/\([{,:]\) */\1/g; s/ *}/}/g')"

check "what is no method of the service is not found" 404 \
  "$(ask -o /dev/null -w '%{http_code}' "http://$vm/v1/unknown")"

check "a machine with a certificate of somebody else is refused" 503 \
  "$(ask -o /dev/null -w '%{http_code}' "http://$foreign/frontend")"

pod=$($ISTHMUS get pods -n simple-app -l app=frontend -o wide | awk 'NR == 2 { print $6 }')
ask -o /dev/null "http://$pod:3000/frontend"
code=$?
# An empty answer, or a reset
[ $code -eq 56 ] && code=52
check "nobody gets in without mutual TLS: the frontend's sidecar closes the connection" 52 $code

plain=$($ISTHMUS logs deploy/istio-eastwestgateway -n istio-system | grep -c '"GET \|"POST ')
check "the gateway passes on what it cannot read" 0 "$plain"

exit $failed

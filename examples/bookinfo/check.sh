#!/bin/sh
# Goes through the tasks of Istio's documentation against the mesh that "isthmus up examples/bookinfo" runs, prints each
# with "ok" or with what differed, and ends with 1 if one did. It needs curl. The mesh is left as its files say.
#   ISTHMUS   how isthmus is run; "npx isthmus" unless told
#   ADDRESS   where the gateways are published; 127.0.0.1 unless told
. "$(dirname "$0")/../check-lib.sh"
SITE=http://${ADDRESS:-127.0.0.1}:8080
ENROUTE=http://${ADDRESS:-127.0.0.1}:8081

jar=$(mktemp) || exit 1

# Leaves the mesh as its files say.
clean_up() {
  $ISTHMUS delete --ignore-not-found --wait -n bookinfo virtualservice/productpage virtualservice/reviews \
    virtualservice/ratings virtualservice/details destinationrule/productpage destinationrule/reviews \
    destinationrule/ratings destinationrule/details peerauthentication/default > /dev/null
  $ISTHMUS delete --ignore-not-found --wait -n enroute-system globalconfig/enroute-globalconfig > /dev/null
  rm -f "$jar"
}
trap clean_up EXIT

get() { curl -sS -m 20 --noproxy '*' "$@" 2>&1; }
page() { get "$SITE/productpage"; }
page_of_jason() { get -b "$jar" "$SITE/productpage"; }
by_enroute() { get -H 'Host: bookinfo.example' "$@"; }

# versions N: which versions of the reviews have answered so many requests, and how often.
versions() {
  i=0
  while [ $i -lt "$1" ]; do
    get "$SITE/api/v1/products/0/reviews"
    i=$((i + 1))
  done | grep -o 'reviews-v[0-9]' | sort | uniq -c | awk '{ printf "%s%s %s", sep, $2, $1; sep = ", " }'
}

# apply: puts the objects on the standard input into force.
apply() {
  $ISTHMUS apply --wait -n bookinfo -f - > /dev/null || failed=1
}

# subsets HOST VERSION...: a DestinationRule.
subsets() {
  host=$1
  shift
  printf '%s\n' 'apiVersion: networking.istio.io/v1' 'kind: DestinationRule' "metadata: {name: $host}" \
    "spec:" "  host: $host" "  subsets:"
  for version; do echo "  - {name: $version, labels: {version: $version}}"; done
  echo '---'
}

# route HOST VERSION [FIELD]...: a VirtualService to one version, with further fields of the route.
route() {
  printf '%s\n' 'apiVersion: networking.istio.io/v1' 'kind: VirtualService' "metadata: {name: $1}" \
    'spec:' "  hosts: [$1]" '  http:' "  - route: [{destination: {host: $1, subset: $2}}]"
  shift 2
  for field; do echo "    $field"; done
  echo '---'
}

# for_jason HOST VERSION [FIELD]: the same, with a rule for jason before it: the version, and what is to happen to him.
for_jason() {
  printf '%s\n' 'apiVersion: networking.istio.io/v1' 'kind: VirtualService' "metadata: {name: $1}" \
    'spec:' "  hosts: [$1]" '  http:' '  - match: [{headers: {end-user: {exact: jason}}}]' \
    "    route: [{destination: {host: $1, subset: $2}}]" ${3:+"    $3"} \
    "  - route: [{destination: {host: $1, subset: v1}}]" '---'
}

step 'the page is there' 200 "$(get -o /dev/null -w '%{http_code}' "$SITE/productpage")"
step 'what no route names is not' 404 "$(get -o /dev/null -w '%{http_code}' "$SITE/health")"
get -c "$jar" -o /dev/null -d 'username=jason&passwd=any' "$SITE/login"

{
  subsets productpage v1
  subsets reviews v1 v2 v3
  subsets ratings v1
  subsets details v1
  route productpage v1
  route reviews v1
  route ratings v1
  route details v1
} | apply
step 'every request goes to v1' 'reviews-v1 12' "$(versions 12)"

for_jason reviews v2 | apply
step 'jason has black stars' yes "$(has "$(page_of_jason)" 'class="stars black"')"
step 'others have none' 'reviews-v1 6' "$(versions 6)"

for_jason ratings v1 'fault: {abort: {percentage: {value: 100}, httpStatus: 500}}' | apply
step 'an abort takes the ratings from jason' yes "$(has "$(page_of_jason)" 'Ratings service is currently unavailable')"
for_jason ratings v1 'fault: {delay: {percentage: {value: 100}, fixedDelay: 7s}}' | apply
step 'a delay of seven seconds takes the reviews' yes \
  "$(has "$(page_of_jason)" 'Sorry, product reviews are currently unavailable for this book.')"

{
  route reviews v2 'timeout: 0.5s'
  route ratings v1 'fault: {delay: {percentage: {value: 100}, fixedDelay: 2s}}'
} | apply
step 'so does a timeout of half a second' yes "$(has "$(page)" 'Sorry, product reviews are currently')"

{
  printf '%s\n' 'apiVersion: networking.istio.io/v1' 'kind: VirtualService' 'metadata: {name: reviews}' 'spec:' \
    '  hosts: [reviews]' '  http:' '  - route:' '    - {destination: {host: reviews, subset: v1}, weight: 50}' \
    '    - {destination: {host: reviews, subset: v3}, weight: 50}' '---'
  route ratings v1
} | apply
# One run in a million million has none of one of them.
step 'half of the traffic is for v3' 'reviews-v1, reviews-v3' "$(versions 40 | sed 's/ [0-9]*\(,\|$\)/\1/g')"
route reviews v3 | apply
step 'and then all of it' yes "$(has "$(page)" 'class="stars red"')"

details=http://$($ISTHMUS get pods -n bookinfo -l app=details -o 'jsonpath={.items[0].status.podIP}'):9080/details/0
step 'PERMISSIVE takes plaintext' 200 "$(get -o /dev/null -w '%{http_code}' "$details")"
step 'which is measured' yes "$(has "$($ISTHMUS status --mtls)" ' in plaintext')"
printf '%s\n' 'apiVersion: security.istio.io/v1' 'kind: PeerAuthentication' 'metadata: {name: default}' \
  'spec: {mtls: {mode: STRICT}}' | apply
step 'STRICT does not' refused "$(get -o /dev/null "$details" > /dev/null && echo taken || echo refused)"
step 'and the page is there' 200 "$(get -o /dev/null -w '%{http_code}' "$SITE/productpage")"

printf '%s\n' 'apiVersion: enroute.saaras.io/v1' 'kind: GlobalConfig' \
  'metadata: {name: enroute-globalconfig, namespace: enroute-system}' \
  "spec: {name: enroute-globalconfig, type: globalconfig_globals, config: '{\"istio_enabled\": true}'}" |
  $ISTHMUS apply --wait -f - > /dev/null || failed=1
step 'EnRoute is let in with certificates of the mesh' 200 \
  "$(by_enroute -o /dev/null -w '%{http_code}' "$ENROUTE/productpage")"
step 'its gateways count together' '200 200 200 429 ' "$(for i in 1 2 3 4; do
  by_enroute -o /dev/null -w '%{http_code} ' -H "end-user: check-$$" "$ENROUTE/api/v1/products"
done)"
step 'and tell browsers of origins' yes \
  "$(has "$(by_enroute -i -H 'Origin: http://app.bookinfo.example' "$ENROUTE/productpage")" 'access-control-allow-origin')"

exit $failed

#!/bin/sh
# Makes what the mesh and the virtual machine start with: a root, under it an authority for the mesh and one for virtual
# machines, the Secret `cacerts`, and for the machine a folder with its certificate and its bootstrap.
#
# ISTHMUS   how isthmus is run (npx isthmus)
# GATEWAY   host of the east-west gateway (127.0.0.1)
# VM_HOST   address that the machine's proxy listens on (0.0.0.0, and 127.0.0.1 for its admin interface)
# VM_PORT   port that it listens on (8080)
# VM_ADMIN  port of its admin interface (15000)
set -eu
cd "$(dirname "$0")"
: "${ISTHMUS:=npx isthmus}" "${GATEWAY:=127.0.0.1}" "${VM_HOST:=0.0.0.0}" "${VM_PORT:=8080}" "${VM_ADMIN:=15000}"
certs=.local/certs
admin=$VM_HOST
[ "$VM_HOST" = 0.0.0.0 ] && admin=127.0.0.1

# `up` does not read folders whose names begin with a dot
if [ ! -d "$certs" ]; then
  $ISTHMUS ca root --dir "$certs"
  $ISTHMUS ca intermediate istio --ca "$certs"
  $ISTHMUS ca intermediate vms --ca "$certs"
  $ISTHMUS ca issue vm1 --spiffe spiffe://vms.example.com/vm1 --ca "$certs/vms"
  # Somebody whom the mesh does not know, and who says the same of himself
  $ISTHMUS ca root --dir "$certs/foreign" --subject "/O=Foreign/CN=Root CA"
  $ISTHMUS ca issue vm1 --spiffe spiffe://vms.example.com/vm1 --ca "$certs/foreign"
fi
$ISTHMUS create secret generic cacerts -n istio-system --from-file="$certs/istio" --dry-run=client -o yaml >cacerts.yaml
chmod 600 cacerts.yaml

# machine FOLDER LEAF PORT ADMIN
machine() {
  mkdir -p "$1"
  cp "$2/cert-chain.pem" "$1/cert.pem"
  cp "$2/key.pem" "$1/key.pem"
  cp "$certs/root-cert.pem" "$1/ca-cert.pem"
  sed -e "s|/certs/|$PWD/$1/|" -e "s|/etc/config/|$PWD/|" \
    -e "s|address: 127.0.0.1|address: $admin|" -e "s|port_value: 15000|port_value: $4|" \
    -e "s|address: 0.0.0.0|address: $VM_HOST|" -e "s|port_value: 8080|port_value: $3|" \
    -e "s|eastwest-gateway.example.com|$GATEWAY|" vm/envoy.yaml.in >"$1/envoy.yaml"
}
machine .local/vm1 "$certs/vms/vm1" "$VM_PORT" "$VM_ADMIN"
machine .local/foreign "$certs/foreign/vm1" "$((VM_PORT + 1))" "$((VM_ADMIN + 1000))"
echo "Wrote cacerts.yaml, .local/vm1 and .local/foreign"

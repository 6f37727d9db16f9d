#!/bin/sh
# Runs nginx as its image would. The paths of nginx.conf are those of the pod, whose folder is $ISTHMUS_POD_ROOT; and it
# listens where the mesh says, because pods share the loopback interface of the machine.
set -e
root=$ISTHMUS_POD_ROOT
mkdir -p "$root/var/log/nginx" "$root/tmp"
sed -e "s|listen 443|listen $HOST:$PORT|" \
  -e "s|/etc/nginx-|$root&|g" -e "s|/var/log/|$root&|g" -e "s|/usr/share/|$root&|g" \
  "$root/etc/nginx/nginx.conf" > "$root/tmp/nginx.conf"
own="daemon off; pid $root/tmp/nginx.pid;"
# As root its workers would be another user, who may not look into the folder of the pod.
[ "$(id -u)" != 0 ] || own="$own user root;"
exec nginx -e "$root/var/log/nginx/error.log" -p "$root/tmp" -c "$root/tmp/nginx.conf" -g "$own"

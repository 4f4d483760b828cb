#!/bin/sh
# rootfs.sh DIR CONEY BUSYBOX: fills DIR with what the image holds. CONEY and BUSYBOX are static binaries.
#
# What RabbitMQ's image promises to scripts, health checks and other images' Dockerfiles is here: a shell with the usual programs,
# the user rabbitmq (999), /etc/rabbitmq/conf.d, /var/lib/rabbitmq, and RabbitMQ's commands on the PATH.
set -eu
root=$1 coney=$2 busybox=$3
here=$(dirname "$0")
user=999

mkdir -p "$root"
cd_root() { mkdir -p "$root/$1"; }
for dir in bin etc/rabbitmq/conf.d etc/ssl proc sys dev root tmp plugins opt/rabbitmq/plugins usr/bin usr/sbin usr/local/bin \
  var/lib/rabbitmq/mnesia var/log/rabbitmq run; do
  cd_root "$dir"
done
ln -sfn opt/rabbitmq "$root/rabbitmq"

cp "$busybox" "$root/bin/busybox"
# -f: the list has busybox itself, too.
"$busybox" --list | while read -r name; do
  [ "$name" = busybox ] || ln -sf busybox "$root/bin/$name"
done
# Commands and health checks that ask for bash mean a shell.
printf '#!/bin/sh\nexec /bin/sh "$@"\n' >"$root/bin/bash"
ln -sf ../../bin/bash "$root/usr/bin/bash"
ln -sf ../../bin/env "$root/usr/bin/env"

cp "$coney" "$root/usr/bin/coney"
for name in rabbitmq-server rabbitmqctl rabbitmq-diagnostics rabbitmq-plugins rabbitmq-queues rabbitmq-upgrade rabbitmqadmin; do
  ln -sf coney "$root/usr/bin/$name"
done
for name in rabbitmq-server rabbitmqctl rabbitmq-diagnostics rabbitmq-plugins rabbitmq-queues rabbitmq-upgrade; do
  ln -sf ../bin/coney "$root/usr/sbin/$name"
done

cp "$here/docker-entrypoint.sh" "$here/gosu" "$root/usr/local/bin/"
cp "$here/10-defaults.conf" "$root/etc/rabbitmq/conf.d/"
cp "$here/coney.toml" "$root/etc/coney.toml"
chmod 0755 "$root/bin/bash" "$root/usr/local/bin/docker-entrypoint.sh" "$root/usr/local/bin/gosu" "$root/usr/bin/coney" "$root/bin/busybox"

cat >"$root/etc/passwd" <<EOF
root:x:0:0:root:/root:/bin/sh
rabbitmq:x:$user:$user:RabbitMQ:/var/lib/rabbitmq:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
EOF
cat >"$root/etc/group" <<EOF
root:x:0:
rabbitmq:x:$user:
nogroup:x:65534:
EOF
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"

# Whoever the container runs as has to be able to write here, as in RabbitMQ's image.
chmod 1777 "$root/tmp"
chmod 0777 "$root/etc/rabbitmq" "$root/etc/rabbitmq/conf.d" "$root/plugins" "$root/opt/rabbitmq/plugins" \
  "$root/var/lib/rabbitmq" "$root/var/lib/rabbitmq/mnesia" "$root/var/log/rabbitmq"
chown -R "$user:$user" "$root/etc/rabbitmq" "$root/plugins" "$root/opt/rabbitmq" "$root/var/lib/rabbitmq" "$root/var/log/rabbitmq"
